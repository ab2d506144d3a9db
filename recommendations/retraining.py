"""When a training is due before the night: after so many events since one was tried, however it ended."""

from django.conf import settings
from django.db import connection

from recommendations import locks, model_store, trending, watermark

TRIED = "training:tried"  # in Redis: how far the events reached when a training was started by itself

_COUNT = """
    SELECT count(*) FROM (
        SELECT FROM recommendations_interaction
        WHERE transaction_id >= %s::xid8 AND transaction_id < %s::xid8 LIMIT %s
    ) AS recent
"""


def take_turn() -> bool:
    """Whether to start a training now. Who is told so is not told again before as many events came once more.

    A training that is refused, or breaks off, is therefore not started again each minute.
    """
    after = settings.ENVIRONMENT.retrain_after_events
    if not after or locks.is_held(locks.TRAINING):
        return False
    horizon = watermark.horizon()
    if count_between(_last_tried(horizon), horizon, limit=after) < after:
        return False
    trending.client().set(TRIED, horizon)
    return True


def count_between(since: int, until: int, *, limit: int) -> int:
    """How many interactions were committed between two positions, counted no further than the limit.

    Rows of a restored dump may bear ids that this server has not given yet: they are not new again and again.
    """
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [str(since), str(until), limit])
        return cursor.fetchone()[0]


def _last_tried(horizon: int) -> int:
    """How far the last training read that left a row, published or refused, or that was started from here."""
    last = model_store.trainings().exclude(horizon=None).order_by("-pk").first()
    remembered = (last.horizon if last else 0, int(trending.client().get(TRIED) or 0))
    return max(watermark.position(one, horizon=horizon) for one in remembered)
