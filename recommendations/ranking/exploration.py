"""Exploration: a share of a feed's places goes to young listings that few have seen, by Thompson sampling.

The pool consists of listings that the first page would not show anyway. Half of them are the most relevant
to the actor, half lag furthest behind their promise: each new listing is promised
PROMISED_IMPRESSIONS within PROMISE_PERIOD. Traffic has to allow for it: n new listings a day need
n x PROMISED_IMPRESSIONS / explore_share places.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ml.arrays import Rows, Vector
from ml.ranking.exploration import explore
from recommendations.popularity.impression_counts import YOUNG, ImpressionCounts
from recommendations.ranking.scoring import Ranked
from recommendations.replica.snapshot import CatalogueSnapshot

PROMISED_IMPRESSIONS = 50  # impressions
PROMISE_PERIOD = timedelta(hours=24)
RELEVANT, BEHIND = 20, 20  # sizes of the two halves of the pool
OWED_FOR = timedelta(seconds=5)
LOOKED_AT = 8  # times as many rows as are wanted, at first: several may be of one seller, or not allowed
FIRST_PAGE = 20  # places: a listing on it is seen anyway, and a draw could only move it down


@dataclass(frozen=True, eq=False)
class ExploredOrder:
    """An order (m,) int64 in which some places were filled by exploration.

    places (e,) int64: those places; pool (p,) int64: the places of all listings of the pool; propensities
    (m,) float32: at `places` the probability that this listing got this place, 1 elsewhere.
    """

    order: Rows
    places: Rows
    pool: Rows
    propensities: Vector

    def to_json(self) -> dict[str, dict[str, list[int]]]:
        """The entry for a slate's parameters; empty where nothing was explored."""
        if not len(self.places):
            return {}
        return {"explored": {"places": self.places.tolist(), "pool": self.pool.tolist()}}


def underexposed(
    snapshot: CatalogueSnapshot, shown: ImpressionCounts, rows: Rows, *, now: datetime
) -> np.ndarray:
    """Whether each row is young and had fewer impressions than promised: (n,) -> (n,) bool"""
    impressions, _ = shown.of_listings(snapshot.attributes["listing_id"][rows])
    is_young = snapshot.attributes["created_at"][rows] > (now - YOUNG).timestamp()
    return is_young & (impressions < PROMISED_IMPRESSIONS)


def most_underexposed(
    snapshot: CatalogueSnapshot,
    shown: ImpressionCounts,
    allowed: np.ndarray,
    *,
    now: datetime,
    count: int = BEHIND,
) -> Rows:
    """The allowed rows that lack most of the impressions promised by now, one of each seller.

    (rows,) bool -> (<= count,) int64, the greatest lack first
    """
    owed, looked_at = _owed(snapshot, shown, now), LOOKED_AT * count
    while True:
        rows = owed[:looked_at]
        rows = rows[allowed[rows]]
        found = rows[_first_of_each(snapshot.attributes["seller_id"][rows])][:count]
        if len(found) == count or looked_at >= len(owed):
            return found
        looked_at *= LOOKED_AT


_last_owed: tuple[np.ndarray, ImpressionCounts, datetime, Rows] | None = None


def _owed(snapshot: CatalogueSnapshot, shown: ImpressionCounts, now: datetime) -> Rows:
    """The live young rows that lack promised impressions, the greatest lack first.

    Sorted once for all requests of OWED_FOR with the same snapshot and counts: all lacks grow alike.
    """
    global _last_owed
    last = _last_owed
    if last and last[0] is snapshot.alive and last[1] is shown and abs(now - last[2]) < OWED_FOR:
        return last[3]
    created_at = snapshot.attributes["created_at"]
    rows = np.flatnonzero(snapshot.alive & (created_at > (now - YOUNG).timestamp()))
    impressions, _ = shown.of_listings(snapshot.attributes["listing_id"][rows])
    is_owed = impressions < PROMISED_IMPRESSIONS
    rows, impressions = rows[is_owed], impressions[is_owed]
    elapsed = (now.timestamp() - created_at[rows]) / PROMISE_PERIOD.total_seconds()
    lacking = PROMISED_IMPRESSIONS * np.minimum(elapsed, 1) - impressions
    owed = rows[np.argsort(-lacking, kind="stable")]
    _last_owed = snapshot.alive, shown, now, owed
    return owed


def explore_order(
    snapshot: CatalogueSnapshot,
    ranked: Ranked,
    order: Rows,
    shown: ImpressionCounts,
    *,
    behind: Rows,
    share: float,
    seller_cap: int,
    now: datetime,
    rng: np.random.Generator,
) -> ExploredOrder:
    """Fill every (1 / share)th place of an order with a listing that few have seen.

    order (m,) positions in `ranked`; behind (b,) rows of the snapshot that belong to the pool where the
    order contains them. Sellers with seller_cap listings on the first page are not in the pool, unless too
    few others are left to fill the places.
    """
    unchanged = ExploredOrder(order, _none(), _none(), np.ones(len(order), np.float32))
    places = _places(len(order), share)
    rows = ranked.rows[order]
    sellers = snapshot.attributes["seller_id"][rows]
    is_behind = np.isin(rows, behind)
    is_candidate = underexposed(snapshot, shown, rows, now=now) & (np.arange(len(order)) >= FIRST_PAGE)
    pool = _pool(sellers, is_candidate & _has_room(sellers, seller_cap), is_behind)
    if len(pool) < len(places):
        pool = _pool(sellers, is_candidate, is_behind)
    if not (len(places) and len(pool)):
        return unchanged
    impressions, clicks = shown.of_listings(snapshot.attributes["listing_id"][rows[pool]])
    drawn = explore(impressions, clicks, shown.prior, rng, slot_count=len(places))
    return _placed(order, pool, drawn.rows, places, drawn.propensities)


def _places(count: int, share: float) -> Rows:
    """The places to explore, (e,) int64: with a share of a tenth, the last of each ten."""
    if share <= 0:
        return _none()
    return np.floor(np.arange(1, int(count * share) + 1) / share).astype(np.int64) - 1


def _has_room(sellers: np.ndarray, cap: int) -> np.ndarray:
    """Whether the seller at each place has fewer than `cap` listings on the first page: (m,) -> (m,) bool"""
    ids, counts = np.unique(sellers[:FIRST_PAGE], return_counts=True)
    return ~np.isin(sellers, ids[counts >= cap])


def _pool(sellers: np.ndarray, is_candidate: np.ndarray, is_behind: np.ndarray) -> Rows:
    """The places of the pool, one of each seller: (m,) ids, (m,) bool, (m,) bool -> (p,) int64"""
    behind, others = np.flatnonzero(is_candidate & is_behind), np.flatnonzero(is_candidate & ~is_behind)
    others = others[~np.isin(sellers[others], sellers[behind])]
    relevant = others[_first_of_each(sellers[others])]
    return np.sort(np.concatenate([behind, relevant[:RELEVANT]]))


def _first_of_each(sellers: np.ndarray) -> Rows:
    """The first place of each seller, so that a seller of a hundred new listings has one in the pool."""
    return np.sort(np.unique(sellers, return_index=True)[1])


def _placed(order: Rows, pool: Rows, drawn: Rows, places: Rows, probabilities: Vector) -> ExploredOrder:
    """The order with the drawn listings at the explored places; the others keep their relative order."""
    places = places[: len(drawn)]
    chosen = pool[drawn]
    moved = np.empty(len(order), np.int64)  # at each place, the position in the old order
    moved[places] = chosen
    moved[np.delete(np.arange(len(order)), places)] = np.delete(np.arange(len(order)), chosen)
    propensities = np.ones(len(order), np.float32)
    propensities[places] = probabilities
    return ExploredOrder(order[moved], places, np.flatnonzero(np.isin(moved, pool)), propensities)


def _none() -> Rows:
    return np.empty(0, np.int64)
