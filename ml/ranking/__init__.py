"""Methods that put candidates in order: blending, learning to rank, diversity, exploration, rank fusion.

Each module is one method on arrays of scores or vectors. Knows nothing of where scores come from.
"""
