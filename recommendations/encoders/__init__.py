"""Encoders in service: which one is active, its vectors, and queries encoded by a worker.

`selection` says which encoder serves, `query_client` encodes a query from the web process, where torch is
never loaded. Knows no index and no feed.
"""
