"""The catalogue: listings, photos, categories, places and actors, and the verbs that change them.

`services` is the front door for changes, `queries` for reads. Every change is announced by `announcing`,
whose signal recommendations receive. Knows nothing of recommendations or of the installation.
"""
