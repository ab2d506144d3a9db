"""Events of listings that are not known yet: kept by external id, and taken up as the listing comes.

Whoever parks shares a lock, and whoever brings listings takes it alone before looking for what was parked.
So an event is either parked before they look, or finds their listing. Locks of rows come before this one:
a listing's row, locked by whoever sells it, is never waited for while holding it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from recommendations import claims, locks
from recommendations.models import ParkedInteraction

MOST = 10_000  # of one source; a batch that comes at the same moment may go beyond it
KEPT = timedelta(days=30)

_TAKE_UP = f"""
    WITH came AS (
        DELETE FROM recommendations_parkedinteraction parked USING listings_listing listing
        WHERE listing.id = ANY(%(listings)s) AND listing_external_id = external_id
        RETURNING source, event_id, actor_id, listing.id AS listing_id, kind, slate, position,
                  occurred_at, received_at
    )
    INSERT INTO recommendations_interaction
        (source, event_id, actor_id, listing_id, kind, slate, position, occurred_at, received_at, is_doubtful)
    SELECT came.*, {claims.is_false("came")} FROM came ORDER BY source, event_id
    ON CONFLICT (source, event_id) DO NOTHING
"""


def stay_unknown() -> None:
    """To the end of the transaction no listing is brought that an event waits for.

    Waits for those that are being brought now: ask again which are known.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [locks.PARKING])


def take_up(listing_ids: Iterable[int]) -> int:
    """Make interactions of what waited for these listings, in the transaction that brings them; how many.

    Each keeps the time at which it happened, and gets this transaction's id: readers by watermark see it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [locks.PARKING])
        cursor.execute(_TAKE_UP, {"listings": sorted(set(listing_ids))} | claims.parameters(timezone.now()))
        return cursor.rowcount


def room(source: str) -> int:
    """How many more events of a source may be parked."""
    return max(MOST - ParkedInteraction.objects.filter(source=source)[:MOST].count(), 0)


def prune(*, now: datetime) -> int:
    """Delete what waited longer than KEPT; how many. Such listings do not come any more."""
    return ParkedInteraction.objects.filter(received_at__lt=now - KEPT).delete()[0]
