"""Candidates for a feed: each source proposes rows of the snapshot and scores those of the others.

`candidates` is the front door; `filters` says which rows may be shown, in memory and in SQL. Decides no
order.
"""
