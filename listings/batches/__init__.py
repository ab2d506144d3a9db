"""Many listings or photos in one call: each row is taken or refused on its own, with a reason.

`listings` and `photos` are the verbs; `fetching` downloads the photos that rows named by address. One
transaction and one announcement a batch.
"""
