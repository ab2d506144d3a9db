"""Slates: what was offered, in which order and why, kept so that it can be explained and evaluated later.

`store` writes and reads slates and their signed cursors; `results` is what an answer holds; `audit`
explains one. Knows nothing of how an order is made.
"""
