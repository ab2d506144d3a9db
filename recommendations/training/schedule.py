"""Schedule of trainings between the nightly ones: one is due after enough events since the last attempt."""

from django.conf import settings
from django.db import connection

from recommendations.collaborative import store
from recommendations.core import locks
from recommendations.interactions import watermark
from recommendations.popularity import trending

ATTEMPT_KEY = "training:tried"  # Redis key: the position in the interactions of the last automatic attempt

_COUNT = """
    SELECT count(*) FROM (
        SELECT FROM recommendations_interaction
        WHERE transaction_id >= %s::xid8 AND transaction_id < %s::xid8 LIMIT %s
    ) AS recent
"""


def claim_training() -> bool:
    """Whether the caller should start a training now. If so, the attempt is recorded.

    The next attempt is due only after as many new events again, so a training that is refused or fails is not
    started again each minute.
    """
    after = settings.ENVIRONMENT.retrain_after_events
    if not after or locks.is_held(locks.TRAINING):
        return False
    horizon = watermark.horizon()
    if count_between(_last_tried(horizon), horizon, limit=after) < after:
        return False
    trending.client().set(ATTEMPT_KEY, horizon)
    return True


def count_between(since: int, until: int, *, limit: int) -> int:
    """The number of interactions committed between two positions, at most `limit`.

    The upper bound leaves out rows of a restored dump whose transaction ids lie ahead of this server's: they
    would count as new each time.
    """
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [str(since), str(until), limit])
        return cursor.fetchone()[0]


def _last_tried(horizon: int) -> int:
    """The position of the latest attempt: a training that left a row, or one recorded by `claim_training`."""
    last = store.trainings().exclude(horizon=None).order_by("-pk").first()
    attempts = ((last.horizon or 0) if last else 0, int(trending.client().get(ATTEMPT_KEY) or 0))
    return max(watermark.position(attempt, horizon=horizon) for attempt in attempts)
