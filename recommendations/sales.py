"""What a sale says of its buyer: whoever bought a listing has purchased it, though they send no event."""

from collections.abc import Iterable

from django.db import connection
from django.utils import timezone

from recommendations.identity import SELF

SOURCE = "sale"

_PURCHASES = f"""
    INSERT INTO recommendations_interaction
        (source, event_id, actor_id, listing_id, kind, occurred_at, received_at)
    SELECT %(source)s, gen_random_uuid()::text, buyer_id, listing.id, 'purchase', sold_at, %(now)s
    FROM listings_listing listing
    CROSS JOIN LATERAL (
        SELECT bool_or(told.kind = 'purchase') AS is_told
        FROM recommendations_interaction told JOIN listings_actor actor ON actor.id = told.actor_id
        WHERE told.listing_id = listing.id
          AND {SELF} = (SELECT {SELF} FROM listings_actor actor WHERE actor.id = buyer_id)
    ) AS theirs
    WHERE listing.id = ANY(%(listings)s) AND status = 'sold' AND buyer_id <> seller_id AND NOT is_told
"""


def note_purchases(listing_ids: Iterable[int]) -> int:
    """A purchase event for each of these that is sold to somebody who has not told of it; how many.

    In the transaction that sells them, which holds their rows: each sale counts once. A seller may name whom
    they like, so that it is believed only of buyers who had done something with the listing.
    """
    told = {"source": SOURCE, "listings": sorted(set(listing_ids)), "now": timezone.now()}
    with connection.cursor() as cursor:
        cursor.execute(_PURCHASES, told)
        return cursor.rowcount
