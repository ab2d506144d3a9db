"""Parked events: events of unknown listings, kept by external id and recorded when the listing is published.

A draft is unknown too, and so is whatever was withdrawn before anyone could see it.

A transaction that parks events shares an advisory lock. A transaction that publishes listings takes the lock
alone before it looks for parked events. So an event is either parked before that look, or sees the listing.
Row locks are taken before this one: nothing waits for a listing's row, which a sale locks, while holding it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from recommendations.core import locks
from recommendations.interactions import attribution
from recommendations.models.events import ParkedInteraction

MOST_PARKED = 10_000  # parked events of one source; batches recorded at the same moment may exceed it
RETENTION = timedelta(days=30)

_TAKE_UP = f"""
    WITH released AS (
        DELETE FROM recommendations_parkedinteraction parked USING listings_listing listing
        WHERE listing.id = ANY(%(listings)s) AND listing_external_id = external_id
              AND NOT listing.is_unpublished
        RETURNING source, event_id, actor_id, listing.id AS listing_id, kind, slate, position,
                  occurred_at, received_at
    )
    INSERT INTO recommendations_interaction
        (source, event_id, actor_id, listing_id, kind, slate, position, occurred_at, received_at, is_doubtful)
    SELECT released.*, {attribution.is_false_claim("released")} FROM released ORDER BY source, event_id
    ON CONFLICT (source, event_id) DO NOTHING
"""


def block_publications() -> None:
    """Keep other transactions from publishing listings with parked events until this transaction ends.

    Waits for transactions that are publishing now, so look up known listings again after this.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [locks.PARKING])


def record_parked(listing_ids: Iterable[int]) -> int:
    """Record the events parked for these listings, in the transaction that publishes them. Returns a count.

    Each event keeps its own time and gets this transaction's id, so that readers by watermark see it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [locks.PARKING])
        cursor.execute(
            _TAKE_UP, {"listings": sorted(set(listing_ids))} | attribution.claim_parameters(timezone.now())
        )
        return cursor.rowcount


def room(source: str) -> int:
    """The number of events of this source that may still be parked."""
    return max(MOST_PARKED - ParkedInteraction.objects.filter(source=source)[:MOST_PARKED].count(), 0)


def prune(*, now: datetime) -> int:
    """Delete events that were parked longer than RETENTION ago. Returns a count."""
    return ParkedInteraction.objects.filter(received_at__lt=now - RETENTION).delete()[0]
