"""The tree of categories: paths as they are written, found in any spelling, and changes of the tree.

`paths` cleans a path, `tree` finds and makes categories, and `changes` renames, merges and removes them.
Knows nothing of who may do so.
"""
