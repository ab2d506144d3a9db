"""What many people touch now: forward-decayed counts in Redis, rebuilt from the interactions at any time.

A count is the sum of weight x 2^((t - t0) / half-life) (Cormode et al. 2009, "Forward decay"): new events
weigh more instead of old ones less, so nothing has to be updated as time goes by.
"""

import math
from datetime import datetime, timedelta

import numpy as np
import redis
from django.conf import settings
from django.db import connection

from recommendations import locks, watermark
from recommendations.interaction_weights import WEIGHTS
from recommendations.standing import RETRACTS, stands

HALF_LIFE = timedelta(hours=24)
HORIZON = 20 * HALF_LIFE  # an older event counts a millionth: not worth reading
REBASE_AFTER = 500 * HALF_LIFE  # 2^500 still fits a double
TOP = 2000
KEPT = 10 * TOP  # what is colder will not come back by decay alone

SCORES, STATE = "trending:scores", "trending:state"

_client: redis.Redis | None = None


def client() -> redis.Redis:
    """This process's connection to Redis. Short timeouts: trending is never worth waiting for."""
    global _client
    if _client is None:
        _client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    return _client


def top(count: int = TOP) -> tuple[np.ndarray, np.ndarray]:
    """The most touched listings: ids (m,) int64 and scores (m,) float32 as shares of the highest."""
    found = client().zrevrange(SCORES, 0, count - 1, withscores=True)
    ids = np.array([int(pk) for pk, _ in found], dtype=np.int64)
    scores = np.array([score for _, score in found], dtype=np.float64)
    return ids, (scores / scores[0]).astype(np.float32) if len(scores) else scores.astype(np.float32)


def roll_up(*, now: datetime) -> int:
    """Add the interactions that were committed since the last time; how many listings they touched.

    The counts and the position move in one MULTI, under one lock: each event counts once. When Redis
    was emptied, or t0 lies too far back, all is counted anew; so is a listing that something was
    taken back of.
    """
    with locks.alone(locks.TRENDING) as acquired:
        if not acquired:
            return 0
        state = {key.decode(): value.decode() for key, value in client().hgetall(STATE).items()}
        t0 = datetime.fromisoformat(state["t0"]) if state else None
        horizon = watermark.horizon()
        since = watermark.position(int(state.get("position", 0)), horizon=horizon)
        anew = t0 is None or now - t0 > REBASE_AFTER or not since
        t0 = now if anew else t0
        between = {"since": str(0 if anew else since), "until": str(horizon)}
        again = [] if anew else _taken_back(**between)
        counts = _counts(t0=t0, now=now, again=again, **between)
        _write(counts, horizon, t0, anew, again)
    return len(counts)


_SUMS = """
    SELECT listing_id,
           sum(weight * power(2::float8, extract(epoch FROM occurred_at - %(t0)s) / %(half_life)s))
    FROM recommendations_interaction interaction
    JOIN unnest(%(kinds)s::text[], %(weights)s::float8[]) AS weighed (name, weight)
         ON interaction.kind = weighed.name
    JOIN listings_actor actor ON actor.id = actor_id
    JOIN listings_listing listing ON listing.id = listing_id
         AND listing.seller_id <> coalesce(actor.merged_into_id, actor.id)
    WHERE occurred_at > %(oldest)s AND weight > 0 AND ({which}) AND {stands} GROUP BY listing_id
"""
_BETWEEN = """
    interaction.transaction_id >= %(since)s::text::xid8
    AND (interaction.transaction_id < %(until)s::text::xid8
         OR %(since)s = '0' AND interaction.transaction_id >= pg_snapshot_xmax(pg_current_snapshot()))
"""
_KNOWN = """
    ({table}.transaction_id < %(until)s::text::xid8
     OR {table}.transaction_id >= pg_snapshot_xmax(pg_current_snapshot()))
"""
_TAKEN_BACK = f"""
    SELECT DISTINCT listing_id FROM recommendations_interaction interaction
    WHERE kind = ANY(%(kinds)s) AND {_BETWEEN}
"""


def top_at(moment: datetime) -> tuple[np.ndarray, np.ndarray]:
    """What `top` would have said at a moment of the past, from the interactions alone."""
    then = "{table}.occurred_at <= %(t0)s"
    counts = _sums(then.format(table="interaction"), then, t0=moment, now=moment)
    hottest = sorted(counts, key=lambda count: (-count[1], count[0]))[:TOP]
    scores = np.array([score for _, score in hottest], np.float64)
    return np.array([pk for pk, _ in hottest], np.int64), (scores / scores.max(initial=0)).astype(np.float32)


def _taken_back(*, since: str, until: str) -> list[int]:
    """Listings of which somebody took something back between two positions."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKEN_BACK, {"since": since, "until": until, "kinds": list(RETRACTS)})
        return [pk for (pk,) in cursor.fetchall()]


def _counts(*, t0: datetime, now: datetime, again: list[int], **between: str) -> list[tuple[int, float]]:
    """What is new between two positions, but of the listings to count again all that was there by the second.

    To subtract what was taken back would leave what rounding leaves, and count a second retraction twice.
    """
    told = {"t0": t0, "now": now, "again": again} | between
    counts = _sums(f"{_BETWEEN} AND listing_id <> ALL(%(again)s)", _KNOWN, **told)
    if again:
        known = _KNOWN.format(table="interaction")
        counts += _sums(f"listing_id = ANY(%(again)s) AND {known}", _KNOWN, **told)
    return counts


def _sums(
    which: str, known: str, *, t0: datetime, now: datetime, **parameters: object
) -> list[tuple[int, float]]:
    """Listing ids with their counts, of the events that the condition names, as far as they stand.

    known: by which retractions, with their `table` left open.
    """
    parameters |= {
        "t0": t0,
        "half_life": HALF_LIFE.total_seconds(),
        "kinds": list(WEIGHTS),
        "weights": list(WEIGHTS.values()),
        "oldest": now - HORIZON,
    }
    with connection.cursor() as cursor:
        condition = stands(known.format(table="retraction"))
        cursor.execute(_SUMS.format(which=which, stands=condition), parameters)
        return [(pk, score) for pk, score in cursor.fetchall() if math.isfinite(score)]


def _write(
    counts: list[tuple[int, float]], position: int, t0: datetime, anew: bool, again: list[int]
) -> None:
    with client().pipeline(transaction=True) as pipe:
        if anew:
            pipe.delete(SCORES)
        if again:
            pipe.zrem(SCORES, *again)
        for pk, score in counts:
            pipe.zincrby(SCORES, score, pk)
        pipe.zremrangebyrank(SCORES, 0, -KEPT - 1)
        pipe.hset(STATE, mapping={"position": position, "t0": t0.isoformat()})
        pipe.execute()
