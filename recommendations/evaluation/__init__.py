"""Models judged at a moment of the past: asked with what was known then, compared with what happened next.

`comparison` is the front door, `point_in_time` rebuilds the catalogue of that moment. Changes nothing that
serves.
"""
