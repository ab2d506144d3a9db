"""Purchase events from sales: a listing sold to a known buyer counts as their purchase without an event."""

from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.utils import timezone

from recommendations.core.identity import PERSON_KEY

SOURCE = "sale"

_PURCHASES = f"""
    INSERT INTO recommendations_interaction
        (source, event_id, actor_id, listing_id, kind, occurred_at, received_at)
    SELECT %(source)s, gen_random_uuid()::text, buyer_id, listing.id, 'purchase', sold_at, %(now)s
    FROM listings_listing listing
    CROSS JOIN LATERAL (
        SELECT bool_or(earlier.kind = 'purchase') AS is_recorded
        FROM recommendations_interaction earlier JOIN listings_actor actor ON actor.id = earlier.actor_id
        WHERE earlier.listing_id = listing.id
          AND {PERSON_KEY} = (SELECT {PERSON_KEY} FROM listings_actor actor WHERE actor.id = buyer_id)
    ) AS of_buyer
    WHERE listing.id = ANY(%(listings)s) AND status = 'sold' AND buyer_id <> seller_id AND NOT is_recorded
"""


def note_purchases(listing_ids: Iterable[int]) -> int:
    """Record a purchase for each sold listing whose buyer sent none. Returns how many.

    Runs in the transaction that sells the listings and holds their rows, so that each sale counts once.
    Sellers may name anybody as the buyer: a purchase is recorded only for buyers who interacted with the
    listing before.
    """
    parameters: dict[str, Any] = {
        "source": SOURCE,
        "listings": sorted(set(listing_ids)),
        "now": timezone.now(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_PURCHASES, parameters)
        return cursor.rowcount
