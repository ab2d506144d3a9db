"""Trending scores: forward-decayed counts of interactions in Redis, which PostgreSQL can rebuild at any time.

A count is the sum of weight x 2^((t - t0) / half-life) (Cormode et al. 2009, "Forward decay"). New events
weigh more instead of old ones less, so stored counts need no update as time passes.

Visitors on their first day, all together, add at most NEWCOMER_CAP to a listing: a cookie costs nothing, and
a person with many would be many people. What they added is kept beside the counts.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, NamedTuple, cast

import numpy as np
import redis
from django.db import connection
from redis.typing import EncodableT, FieldT

from recommendations.core import locks, redis_client
from recommendations.core.identity import all_identities
from recommendations.interactions import watermark
from recommendations.interactions.retractions import RETRACTS, is_not_retracted
from recommendations.interactions.weights import EVENT_WEIGHTS
from recommendations.trust import detection, weighting

HALF_LIFE = timedelta(hours=24)
HORIZON = 20 * HALF_LIFE  # older events count less than a millionth and are not read
REBASE_AFTER = 500 * HALF_LIFE  # 2^500 still fits a double
MAX_CLOCK_SKEW = timedelta(minutes=1)  # between machines, at most
TOP = 2000
KEPT = 10 * TOP  # listings with lower counts cannot return to the top by decay alone

NEWCOMER_CAP = 4.0  # at any time, in views: as much as one favourite

SCORES, STATE, PROBE = "trending:scores", "trending:state", "trending:probe"
NEWCOMERS = "trending:newcomers"  # the part of the scores that visitors on their first day gave


def client() -> redis.Redis:
    """This process's client of Redis, with a short timeout: feeds do without trending rather than wait."""
    return redis_client.client(1)


def is_writable() -> bool:
    """Whether Redis accepts writes; a full one only answers reads. Raises RedisError."""
    try:
        client().set(PROBE, 1)
    except redis.ResponseError:
        return False
    return True


def top(count: int = TOP) -> tuple[np.ndarray, np.ndarray]:
    """The trending listings: ids (m,) int64 and scores (m,) float32 as shares of the highest.

    Raises RedisError.
    """
    entries = cast("list[tuple[bytes, float]]", client().zrevrange(SCORES, 0, count - 1, withscores=True))
    ids = np.array([int(pk) for pk, _ in entries], dtype=np.int64)
    scores = np.array([score for _, score in entries], dtype=np.float64)
    return ids, (scores / scores[0]).astype(np.float32) if len(scores) else scores.astype(np.float32)


def roll_up(*, now: datetime) -> int:
    """Add the interactions committed since the last roll-up; the number of listings whose counts changed.

    Counts and position are written in one MULTI, under one lock, so each event counts once. Everything is
    recounted when Redis was emptied, when t0 is out of reach, or when the trust in an actor changed. A
    listing is recounted when an interaction with it was retracted.
    """
    with locks.advisory_lock(locks.TRENDING) as acquired:
        if not acquired:
            return 0
        stored = cast("dict[bytes, bytes]", client().hgetall(STATE))
        state = {key.decode(): value.decode() for key, value in stored.items()}
        t0 = datetime.fromisoformat(state["t0"]) if state else None
        horizon = watermark.horizon()
        since = watermark.position(int(state.get("position", 0)), horizon=horizon)
        new = _read_new(since=str(since), until=str(horizon))
        if since:
            detection.detect_hasty(now=now, actor_ids=new.actor_ids, since=new.earliest)
        else:
            detection.detect_hasty(now=now)
        edition = detection.fingerprint()
        rebuild = t0 is None or _is_out_of_reach(t0, now) or not since or state.get("doubts") != edition
        if t0 is None or rebuild:
            t0 = now
        times: dict[str, Any] = {"t0": t0, "until": str(horizon), "oldest": now - HORIZON, "latest": now}
        counts = (
            _sums("true", watermark.COMMITTED_BEFORE, **times)
            if rebuild
            else _counts(new, since=str(since), **times)
        )
        position: dict[FieldT, EncodableT] = {"position": horizon, "t0": t0.isoformat(), "doubts": edition}
        cap = NEWCOMER_CAP * 2 ** ((now - t0) / HALF_LIFE)
        _write(counts, position, cap, rebuild, [] if rebuild else new.retracted)
    return len(counts)


def _is_out_of_reach(t0: datetime, now: datetime) -> bool:
    """Whether t0 is too old for counts from then on, or lies in the future since the clock was set back."""
    return not -MAX_CLOCK_SKEW < now - t0 < REBASE_AFTER


@dataclass(frozen=True)
class _NewEvents:
    """The interactions between two reader positions."""

    actor_ids: list[int]  # their actors, with all identities merged into them
    earliest: datetime | None  # when the first of them happened
    retracted: list[int]  # ids of listings with a retraction among them


def _read_new(**between: str) -> _NewEvents:
    actor_ids, earliest, retracted = _select(_NEW_EVENTS, retracting=list(RETRACTS), **between)[0]
    return _NewEvents(all_identities(actor_ids or []), earliest, retracted or [])


class _Count(NamedTuple):
    """What a listing got: of newcomers, and of everybody else."""

    listing_id: int
    trusted: float
    newcomers: float

    def capped(self, cap: float, before: float = 0.0) -> float:
        """What it adds: newcomers add at most what the cap leaves above their part of before."""
        return self.trusted + max(min(before + self.newcomers, cap), before) - before


_SUMS = """
    SELECT listing_id, coalesce(sum(share * decayed) FILTER (WHERE NOT is_by_newcomer), 0),
           coalesce(sum(share * decayed) FILTER (WHERE is_by_newcomer), 0)
    FROM {counted} counted GROUP BY listing_id
"""
# least(): a time in the future comes from a clock that is ahead, and counts as now.
_DECAY = "power(2::float8, extract(epoch FROM least(occurred_at, %(latest)s) - %(t0)s) / %(half_life)s)"
_BETWEEN = watermark.COMMITTED_BETWEEN.format(table="interaction")
_NEW_EVENTS = f"""
    SELECT array_agg(DISTINCT actor_id), min(occurred_at),
           array_agg(DISTINCT listing_id) FILTER (WHERE kind = ANY(%(retracting)s))
    FROM recommendations_interaction interaction
    WHERE {_BETWEEN}
"""
_ACTORS = """
    SELECT DISTINCT actor_id FROM recommendations_interaction
    WHERE listing_id = ANY(%(again)s) AND occurred_at > %(oldest)s
"""


def top_at(moment: datetime) -> tuple[np.ndarray, np.ndarray]:
    """What `top` returned at a moment of the past, from the interactions alone."""
    then = "{table}.occurred_at <= %(t0)s"
    counts = _sums("true", then, t0=moment, oldest=moment - HORIZON, latest=moment)
    scored = [(count.listing_id, count.capped(NEWCOMER_CAP)) for count in counts]
    highest = sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:TOP]
    scores = np.array([score for _, score in highest], np.float64)
    return np.array([pk for pk, _ in highest], np.int64), (scores / scores.max(initial=0)).astype(np.float32)


def _counts(new: _NewEvents, *, oldest: datetime, **times: Any) -> list[_Count]:
    """The counts of the new events; for listings with a retraction, the counts of all their events.

    Subtracting a retracted event would leave rounding errors, and would subtract it twice for a second
    retraction.
    """
    if new.earliest is None:
        return []
    again = {"again": new.retracted, "oldest": oldest}
    since = {"actors": new.actor_ids, "oldest": max(oldest, _start_of_day(new.earliest))}
    counts = _sums(
        f"{_BETWEEN} AND listing_id <> ALL(%(again)s)", watermark.COMMITTED_BEFORE, **times | again | since
    )
    if new.retracted:
        actors = all_identities(pk for (pk,) in _select(_ACTORS, **again))
        counts += _sums(
            "listing_id = ANY(%(again)s)", watermark.COMMITTED_BEFORE, actors=actors, **times | again
        )
    return counts


def _sums(
    which: str, known: str, *, oldest: datetime, actors: list[int] | None = None, **parameters: Any
) -> list[_Count]:
    """The counts of listings, over the events that `which` selects and nobody retracted.

    which: a condition on the events to add up. known: a condition on the events and retractions to consider,
    with a placeholder for the table: trust also depends on the actors' other events of the same days, which
    an earlier roll-up counted. actors: ids of the actors to read; None for all.
    """
    where = f"""
        occurred_at > %(oldest)s AND {known.format(table="interaction")}
        AND {is_not_retracted(known.format(table="retraction"))}
        AND (%(actors)s::bigint[] IS NULL OR actor_id = ANY(%(actors)s))
    """
    query = _SUMS.format(counted=weighting.trusted_weights(where=where, decay=_DECAY, weighed_now=which))
    parameters |= weighting.trust_parameters(EVENT_WEIGHTS) | {
        "half_life": HALF_LIFE.total_seconds(),
        "oldest": oldest,
        "actors": actors,
    }
    counts = [_Count(*row) for row in _select(query, **parameters)]
    return [count for count in counts if 0 < count.trusted + count.newcomers < math.inf]


def _start_of_day(moment: datetime) -> datetime:
    """The last moment before the day of a time, by the days of weighting.DAY."""
    return datetime.combine(moment.astimezone(UTC), time(), UTC) - timedelta(microseconds=1)


def _select(query: str, **parameters: Any) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def _write(
    counts: list[_Count],
    state: dict[FieldT, EncodableT],
    cap: float,
    rebuild: bool,
    recounted: list[int],
) -> None:
    """Add the counts and set the state. rebuild: start from no counts. recounted: ids to start from 0.

    cap: of newcomers' part, as decayed as the counts are.
    """
    before = {} if rebuild else _newcomers_before([count.listing_id for count in counts if count.newcomers])
    before |= dict.fromkeys(recounted, 0.0)
    with client().pipeline(transaction=True) as pipe:
        if rebuild:
            pipe.delete(SCORES, NEWCOMERS)
        if recounted:
            pipe.zrem(SCORES, *recounted)
            pipe.zrem(NEWCOMERS, *recounted)
        for count in counts:
            earlier = before.get(count.listing_id, 0.0)
            added = count.capped(cap, earlier)
            pipe.zincrby(SCORES, added, count.listing_id)
            if newcomers := added - count.trusted:
                pipe.zincrby(NEWCOMERS, newcomers, count.listing_id)
        for key in (SCORES, NEWCOMERS):
            pipe.zremrangebyrank(key, 0, -KEPT - 1)
        pipe.hset(STATE, mapping=state)
        pipe.execute()


def _newcomers_before(listing_ids: list[int]) -> dict[int, float]:
    """Newcomers' part of the scores of these listings, so far."""
    if not listing_ids:
        return {}
    scores = client().zmscore(NEWCOMERS, [str(pk) for pk in listing_ids])
    return {pk: score or 0.0 for pk, score in zip(listing_ids, scores, strict=True)}
