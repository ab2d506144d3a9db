"""The personalised feed: one pipeline from the snapshot of the catalogue to a page.

`pipeline` is the front door, read from top to bottom; `order` is what it hands to a slate; `fallback`
answers without a snapshot; `experiments` says which parameters an actor gets.
"""
