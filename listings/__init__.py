"""The catalogue: listings, photos, categories, places and actors, and the verbs that change them.

`services` is the front door for changes, `queries` for reads. Everything announces changes through
`signals`; recommendations listen. Knows nothing of recommendations or of the installation.
"""
