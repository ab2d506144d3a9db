"""How the catalogue tells the rest of the house that something changed."""

from django.dispatch import Signal

# Sent with listing_ids (list of primary keys) inside the transaction that changed them, as its last
# statement, by the outermost verb, once for all of its listings.
listings_changed = Signal()
