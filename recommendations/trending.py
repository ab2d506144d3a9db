"""What many people touch now: forward-decayed counts in Redis, rebuilt from the interactions at any time.

A count is the sum of weight x 2^((t - t0) / half-life) (Cormode et al. 2009, "Forward decay"): new events
weigh more instead of old ones less, so nothing has to be updated as time goes by.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

import numpy as np
import redis
from django.db import connection

from recommendations import doubts, locks, redis_link, trust, watermark
from recommendations.identity import with_merged
from recommendations.interaction_weights import WEIGHTS
from recommendations.standing import RETRACTS, stands

HALF_LIFE = timedelta(hours=24)
HORIZON = 20 * HALF_LIFE  # an older event counts a millionth: not worth reading
REBASE_AFTER = 500 * HALF_LIFE  # 2^500 still fits a double
CLOCKS_DIFFER = timedelta(minutes=1)  # of two machines, at most
TOP = 2000
KEPT = 10 * TOP  # what is colder will not come back by decay alone

SCORES, STATE, PROBE = "trending:scores", "trending:state", "trending:probe"


def client() -> redis.Redis:
    """This process's client of Redis, with a short timeout: feeds do without trending rather than wait."""
    return redis_link.client(1)


def is_writable() -> bool:
    """Whether Redis keeps what it is sent; one that is full only answers. Raises RedisError."""
    try:
        client().set(PROBE, 1)
    except redis.ResponseError:
        return False
    return True


def top(count: int = TOP) -> tuple[np.ndarray, np.ndarray]:
    """The most touched listings: ids (m,) int64 and scores (m,) float32 as shares of the highest."""
    found = client().zrevrange(SCORES, 0, count - 1, withscores=True)
    ids = np.array([int(pk) for pk, _ in found], dtype=np.int64)
    scores = np.array([score for _, score in found], dtype=np.float64)
    return ids, (scores / scores[0]).astype(np.float32) if len(scores) else scores.astype(np.float32)


def roll_up(*, now: datetime) -> int:
    """Add the interactions that were committed since the last time; how many listings they touched.

    The counts and the position move in one MULTI, under one lock: each event counts once. When Redis
    was emptied, when t0 lies too far off, or somebody is believed more or less than before, all is
    counted anew; so is a listing that something was taken back of.
    """
    with locks.alone(locks.TRENDING) as acquired:
        if not acquired:
            return 0
        state = {key.decode(): value.decode() for key, value in client().hgetall(STATE).items()}
        t0 = datetime.fromisoformat(state["t0"]) if state else None
        horizon = watermark.horizon()
        since = watermark.position(int(state.get("position", 0)), horizon=horizon)
        news = _read_news(since=str(since), until=str(horizon))
        of_news = {"actor_ids": news.actor_ids, "since": news.earliest} if since else {}
        doubts.find_hasty(now=now, **of_news)
        edition = doubts.edition()
        anew = t0 is None or _is_out_of_reach(t0, now) or not since or state.get("doubts") != edition
        told = {"t0": now if anew else t0, "until": str(horizon), "oldest": now - HORIZON, "latest": now}
        counts = _sums("true", watermark.KNOWN, **told) if anew else _counts(news, since=str(since), **told)
        position = {"position": horizon, "t0": told["t0"].isoformat(), "doubts": edition}
        _write(counts, position, anew, [] if anew else news.taken_back)
    return len(counts)


def _is_out_of_reach(t0: datetime, now: datetime) -> bool:
    """Whether counts from t0 on do not tell of now: it was long ago, or by a clock that was put back."""
    return not -CLOCKS_DIFFER < now - t0 < REBASE_AFTER


@dataclass(frozen=True)
class _News:
    """What lies between two positions in the interactions."""

    actor_ids: list[int]  # who did it, with all who are one with them
    earliest: datetime | None  # when the first of it happened
    taken_back: list[int]  # listings of which somebody took something back


def _read_news(**between: str) -> _News:
    actor_ids, earliest, taken_back = _select(_NEWS, retracting=list(RETRACTS), **between)[0]
    return _News(with_merged(actor_ids or []), earliest, taken_back or [])


_SUMS = """
    SELECT listing_id, sum(share * decayed) FROM {counted} counted GROUP BY listing_id
"""
# What a clock that was ahead called a later time has happened by now.
_DECAY = "power(2::float8, extract(epoch FROM least(occurred_at, %(latest)s) - %(t0)s) / %(half_life)s)"
_BETWEEN = watermark.BETWEEN.format(table="interaction")
_NEWS = f"""
    SELECT array_agg(DISTINCT actor_id), min(occurred_at),
           array_agg(DISTINCT listing_id) FILTER (WHERE kind = ANY(%(retracting)s))
    FROM recommendations_interaction interaction
    WHERE {_BETWEEN}
"""
_TOUCHED = """
    SELECT DISTINCT actor_id FROM recommendations_interaction
    WHERE listing_id = ANY(%(again)s) AND occurred_at > %(oldest)s
"""


def top_at(moment: datetime) -> tuple[np.ndarray, np.ndarray]:
    """What `top` would have said at a moment of the past, from the interactions alone."""
    then = "{table}.occurred_at <= %(t0)s"
    counts = _sums("true", then, t0=moment, oldest=moment - HORIZON, latest=moment)
    hottest = sorted(counts, key=lambda count: (-count[1], count[0]))[:TOP]
    scores = np.array([score for _, score in hottest], np.float64)
    return np.array([pk for pk, _ in hottest], np.int64), (scores / scores.max(initial=0)).astype(np.float32)


def _counts(news: _News, *, oldest: datetime, **told: Any) -> list[tuple[int, float]]:
    """What is new between two positions, but of listings to count again all that was there by the second.

    To subtract what was taken back would leave what rounding leaves, and count a second retraction twice.
    """
    if not news.actor_ids:
        return []
    again = {"again": news.taken_back, "oldest": oldest}
    since = {"actors": news.actor_ids, "oldest": max(oldest, _start_of_day(news.earliest))}
    counts = _sums(f"{_BETWEEN} AND listing_id <> ALL(%(again)s)", watermark.KNOWN, **told | again | since)
    if news.taken_back:
        touching = with_merged(pk for (pk,) in _select(_TOUCHED, **again))
        counts += _sums("listing_id = ANY(%(again)s)", watermark.KNOWN, actors=touching, **told | again)
    return counts


def _sums(
    which: str, known: str, *, oldest: datetime, actors: list[int] | None = None, **parameters: Any
) -> list[tuple[int, float]]:
    """Listing ids with their counts, of the events that the condition names, as far as they stand.

    known: which events and retractions, with their `table` left open; others of them that the same actors
    did on the same days were counted before. actors: who did what is asked about; None: anybody.
    """
    where = f"""
        occurred_at > %(oldest)s AND {known.format(table="interaction")}
        AND {stands(known.format(table="retraction"))}
        AND (%(actors)s::bigint[] IS NULL OR actor_id = ANY(%(actors)s))
    """
    query = _SUMS.format(counted=trust.counted(where=where, decay=_DECAY, which=which))
    parameters |= trust.parameters(WEIGHTS) | {
        "half_life": HALF_LIFE.total_seconds(),
        "oldest": oldest,
        "actors": actors,
    }
    return [(pk, score) for pk, score in _select(query, **parameters) if math.isfinite(score) and score]


def _start_of_day(moment: datetime) -> datetime:
    """A moment before the day in which it lies, as trust.DAY divides time."""
    return datetime.combine(moment.astimezone(UTC), time(), UTC) - timedelta(microseconds=1)


def _select(query: str, **parameters: Any) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def _write(counts: list[tuple[int, float]], state: dict[str, Any], anew: bool, again: list[int]) -> None:
    with client().pipeline(transaction=True) as pipe:
        if anew:
            pipe.delete(SCORES)
        if again:
            pipe.zrem(SCORES, *again)
        for pk, score in counts:
            pipe.zincrby(SCORES, score, pk)
        pipe.zremrangebyrank(SCORES, 0, -KEPT - 1)
        pipe.hset(STATE, mapping=state)
        pipe.execute()
