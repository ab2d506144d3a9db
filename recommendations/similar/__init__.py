"""Listings similar to a listing, to several examples, or to a photo.

`listings`, `examples` and `photos` are one question each. No actor is needed.
"""
