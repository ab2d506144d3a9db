"""Signal for changes of the catalogue."""

from django.dispatch import Signal

# Sent with listing_ids (list of primary keys) once for each transaction, as its last statement.
listings_changed = Signal()
