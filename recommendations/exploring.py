"""A stated share of a feed's places goes to young listings that few have seen, by Thompson sampling.

Drawn from are those that the first page would not show anyway: half of them the ones most relevant to whoever
asks, half those furthest behind the promise that each new listing is shown PROMISED times within WITHIN. That
holds if traffic allows: n new listings a day ask for n x PROMISED / explore_share places.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ml.arrays import Rows, Vector
from ml.exploration import explore
from recommendations.exposure import YOUNG, Counted
from recommendations.ranking import Ranked
from recommendations.view import View

PROMISED = 50  # impressions
WITHIN = timedelta(hours=24)
RELEVANT, BEHIND = 20, 20  # listings that are drawn from
FIRST_PAGE = 20  # places: who stands on it needs no chance, and would rather lose by it


@dataclass(frozen=True, eq=False)
class Explored:
    """An order (m,) int64 in which some places were filled by chance.

    places (e,): which ones; pool (p,): places of all that was drawn from; propensities (m,) float32: 1, but
    at `places` how likely this listing was to get this place.
    """

    order: Rows
    places: Rows
    pool: Rows
    propensities: Vector

    def to_json(self) -> dict[str, dict[str, list[int]]]:
        """What a slate's parameters say of it; nothing where nothing was explored."""
        if not len(self.places):
            return {}
        return {"explored": {"places": self.places.tolist(), "pool": self.pool.tolist()}}


def little_seen(view: View, shown: Counted, rows: Rows, *, now: datetime) -> np.ndarray:
    """Which rows are young and were promised more showings than they had: (n,) bool"""
    impressions, _ = shown.of_listings(view.attributes["listing_id"][rows])
    is_young = view.attributes["created_at"][rows] > (now - YOUNG).timestamp()
    return is_young & (impressions < PROMISED)


def furthest_behind(
    view: View, shown: Counted, allowed: np.ndarray, *, now: datetime, count: int = BEHIND
) -> Rows:
    """The rows that are owed most showings by now, as the promise has it.   (rows,) bool -> (<= count,)"""
    created_at = view.attributes["created_at"]
    rows = np.flatnonzero(allowed & (created_at > (now - YOUNG).timestamp()))
    impressions, _ = shown.of_listings(view.attributes["listing_id"][rows])
    rows, impressions = rows[impressions < PROMISED], impressions[impressions < PROMISED]
    waited = (now.timestamp() - created_at[rows]) / WITHIN.total_seconds()
    owed = PROMISED * np.minimum(waited, 1) - impressions  # more than the promise nobody is owed
    rows = rows[np.argsort(-owed, kind="stable")]
    return rows[_first_of_each(view.attributes["seller_id"][rows])][:count]


def give_chances(
    view: View,
    ranked: Ranked,
    order: Rows,
    shown: Counted,
    *,
    behind: Rows,
    share: float,
    seller_cap: int,
    now: datetime,
    rng: np.random.Generator,
) -> Explored:
    """Fill every (1 / share)th place of an order with a listing that few have seen.

    order (m,) positions in what was ranked; behind (b,) rows of the view that are drawn from where they are
    in it. Sellers who stand on the first page seller_cap times get no more by chance, unless too few others
    are there to fill the places.
    """
    untouched = Explored(order, _none(), _none(), np.ones(len(order), np.float32))
    places = _places(len(order), share)
    rows = ranked.rows[order]
    sellers = view.attributes["seller_id"][rows]
    is_owed = np.isin(rows, behind)
    is_candidate = little_seen(view, shown, rows, now=now) & (np.arange(len(order)) >= FIRST_PAGE)
    pool = _pool(sellers, is_candidate & _has_room(sellers, seller_cap), is_owed)
    if len(pool) < len(places):
        pool = _pool(sellers, is_candidate, is_owed)
    if not (len(places) and len(pool)):
        return untouched
    impressions, clicks = shown.of_listings(view.attributes["listing_id"][rows[pool]])
    drawn = explore(impressions, clicks, shown.prior, rng, slot_count=len(places))
    return _placed(order, pool, drawn.rows, places, drawn.propensities)


def _places(count: int, share: float) -> Rows:
    """Which places are filled by chance: of ten the last, where the share is a tenth."""
    if share <= 0:
        return _none()
    return np.floor(np.arange(1, int(count * share) + 1) / share).astype(np.int64) - 1


def _has_room(sellers: np.ndarray, cap: int) -> np.ndarray:
    """At which places the seller is one with room on the first page: (m,) ids -> (m,) bool"""
    names, times = np.unique(sellers[:FIRST_PAGE], return_counts=True)
    return ~np.isin(sellers, names[times >= cap])


def _pool(sellers: np.ndarray, is_candidate: np.ndarray, is_owed: np.ndarray) -> Rows:
    """The places that are drawn from, one of each seller: (m,) ids, (m,) bool, (m,) bool -> (p,) int64"""
    owed, others = np.flatnonzero(is_candidate & is_owed), np.flatnonzero(is_candidate & ~is_owed)
    others = others[~np.isin(sellers[others], sellers[owed])]
    relevant = others[_first_of_each(sellers[others])]
    return np.sort(np.concatenate([owed, relevant[:RELEVANT]]))


def _first_of_each(sellers: np.ndarray) -> Rows:
    """Where each seller stands first: who lists a hundred things at once gets no more chances than others."""
    return np.sort(np.unique(sellers, return_index=True)[1])


def _placed(order: Rows, pool: Rows, drawn: Rows, places: Rows, likely: Vector) -> Explored:
    """The order with what was drawn at its places; the others of the pool stay among the rest."""
    places = places[: len(drawn)]
    chosen = pool[drawn]
    rest = np.delete(np.arange(len(order)), chosen)
    moved = np.empty(len(order), np.int64)  # at each place, the position in the old order
    moved[places] = chosen
    moved[np.delete(np.arange(len(order)), places)] = rest
    propensities = np.ones(len(order), np.float32)
    propensities[places] = likely
    return Explored(order[moved], places, np.flatnonzero(np.isin(moved, pool)), propensities)


def _none() -> Rows:
    return np.empty(0, np.int64)
