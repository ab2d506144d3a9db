"""The learned ranker in service, and the slates and features that it is trained on.

`model` scores candidates; `store` keeps its files. Knows nothing of the feed that calls it.
"""
