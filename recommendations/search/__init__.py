"""Search by words, photos and both, with the filters that a query spells out.

`pipeline` is the front door; `understanding` reads the query; `fulltext` and the snapshot find; `matching`
joins the two. Knows nothing of the feed.
"""
