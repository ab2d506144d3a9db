"""Schedule of trainings that start by themselves: of collaborative models by events, of encoders by listings.

Only believed events count, and attempts keep a distance in time: a training takes minutes of a processor,
which must not be had for a few requests.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from recommendations.collaborative import store
from recommendations.core import locks
from recommendations.encoders import selection, training_state
from recommendations.indexing import embedding_jobs
from recommendations.interactions import watermark
from recommendations.popularity import trending
from recommendations.trust import weighting

ATTEMPT_KEY = "training:tried"  # Redis key: the position in the interactions of the last automatic attempt
ATTEMPT_AT_KEY = "training:tried-at"  # Redis key: when that was, in seconds since 1970

GROWTH = 1.5  # of the catalogue since the last training of an encoder, after which the next one is due
MOST_WAITING = 0.1  # share of listings that wait for vectors: during a bulk load no encoder is trained
# After a claim the process needs a while until it holds the lock. One that is killed leaves no other trace.
CLAIM_KEPT = timedelta(minutes=10)

_COUNT = """
    SELECT count(*) FROM (
        SELECT FROM recommendations_interaction
        WHERE transaction_id >= %s::xid8 AND transaction_id < %s::xid8 LIMIT %s
    ) AS recent
"""


def claim_training(*, now: datetime) -> bool:
    """Whether the caller should start a training now. If so, the attempt is recorded.

    The next attempt is due only after as many new believed events again, and RETRAIN_LEAST_HOURS later, so a
    training that is refused or fails is not started again each minute.
    """
    after = settings.ENVIRONMENT.retrain_after_events
    if not after or locks.is_held(locks.TRAINING) or _was_tried_lately(now):
        return False
    horizon = watermark.horizon()
    since = _last_tried(horizon)
    if count_between(since, horizon, limit=after) < after:  # costs little, and is the usual answer
        return False
    if weighting.believed_count(since=since, until=horizon, limit=after) < after:
        return False
    trending.client().mset({ATTEMPT_KEY: horizon, ATTEMPT_AT_KEY: now.timestamp()})
    return True


def claim_encoder_training() -> bool:
    """Whether the caller should start a training of the encoder now. If so, the attempt is noted.

    The first is due once TRAIN_ENCODER_AFTER_LISTINGS listings are embedded. Later ones are due when the
    catalogue has grown by half since the last, or when another backbone is asked for.
    """
    least = settings.ENVIRONMENT.train_encoder_after_listings
    if not least or locks.is_held(locks.ENCODER) or _is_candidate_waiting():
        return False
    embedded_count, requested = training_state.embedded_count(), selection.requested_weights()
    if embedded_count < least or embedding_jobs.waiting_count() > MOST_WAITING * embedded_count:
        return False
    listing_count = training_state.listing_count()
    for attempt in training_state.attempts():
        if attempt.requested == requested and listing_count < GROWTH * attempt.listing_count:
            return False
    training_state.note_attempt(kept=CLAIM_KEPT)
    return True


def _is_candidate_waiting() -> bool:
    """Whether an encoder was published and does not serve yet."""
    return selection.target_encoder() != selection.active_encoder()


def count_between(since: int, until: int, *, limit: int) -> int:
    """The number of interactions committed between two positions, at most `limit`.

    The upper bound leaves out rows of a restored dump whose transaction ids lie ahead of this server's: they
    would count as new each time.
    """
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [str(since), str(until), limit])
        return cursor.fetchone()[0]


def _was_tried_lately(now: datetime) -> bool:
    """Whether the latest attempt is less than RETRAIN_LEAST_HOURS old. Times in the future do not count."""
    least = timedelta(hours=settings.ENVIRONMENT.retrain_least_hours)
    last = store.trainings().exclude(horizon=None).order_by("-pk").first()
    attempts = [float(trending.client().get(ATTEMPT_AT_KEY) or 0)]
    if last:
        attempts.append(last.created_at.timestamp())
    return any(0 <= now.timestamp() - attempt < least.total_seconds() for attempt in attempts)


def _last_tried(horizon: int) -> int:
    """The position of the latest attempt: a training that left a row, or one recorded by `claim_training`."""
    last = store.trainings().exclude(horizon=None).order_by("-pk").first()
    attempts = ((last.horizon or 0) if last else 0, int(trending.client().get(ATTEMPT_KEY) or 0))
    return max(watermark.position(attempt, horizon=horizon) for attempt in attempts)
