"""What every request passes through: authentication, limits, errors as problem+json, headers, the schema.

Each module is one layer, named in `marketplace.settings`. Knows callers and tokens, and nothing of
listings' content.
"""
