"""What a sale says of its buyer: whoever bought a listing has purchased it, though they send no event."""

from collections.abc import Iterable

from django.db import connection
from django.utils import timezone

SOURCE = "sale"

_PURCHASES = """
    INSERT INTO recommendations_interaction
        (source, event_id, actor_id, listing_id, kind, occurred_at, received_at)
    SELECT %(source)s, listing.id::text, buyer_id, listing.id, 'purchase', sold_at, %(now)s
    FROM listings_listing listing
    WHERE listing.id = ANY(%(listings)s) AND status = 'sold' AND buyer_id <> seller_id AND NOT EXISTS (
        SELECT FROM recommendations_interaction told
        WHERE told.actor_id = buyer_id AND told.listing_id = listing.id AND told.kind = 'purchase'
    )
    ON CONFLICT (source, event_id) DO NOTHING
"""


def note_purchases(listing_ids: Iterable[int]) -> int:
    """A purchase event for each of these that is sold to somebody who has not told of it; how many.

    In the transaction that sells them. It may be said again: each sale counts once.
    """
    told = {"source": SOURCE, "listings": sorted(set(listing_ids)), "now": timezone.now()}
    with connection.cursor() as cursor:
        cursor.execute(_PURCHASES, told)
        return cursor.rowcount
