"""Staff pages of the Django admin for everything that recommendations store or decide.

`registration` says which page each table has. Pages translate: they call the verbs of other packages.
"""

from recommendations.admin import registration  # noqa: F401  Django finds the admin by this import
