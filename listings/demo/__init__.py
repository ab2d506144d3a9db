"""A small catalogue of drawn photos, for the demo and for tests: no file has to be downloaded.

`catalogue` is the front door. Knows how things look, and nothing of the database but the verbs of
`listings`.
"""
