"""Staff pages of the Django admin for the catalogue, and what all staff pages have in common.

`catalogue` says which page each table has; `base` holds the classes that other packages derive theirs from.
Every change goes through services.
"""

from listings.admin import catalogue  # noqa: F401  Django finds the admin by this import
