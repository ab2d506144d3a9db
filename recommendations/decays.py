"""How soon too far is, for each root category: people go farther for a car than for a lamp."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import connection

from listings.models import Category
from listings.serializers import COORDINATE_DIGITS
from ml.arrays import Matrix, Rows, Vector
from ml.geography import apart_km, fit_decay
from recommendations.affinity import paths_of
from recommendations.behaviour import Behaviour
from recommendations.columns import Positions
from recommendations.habits import OTHER_ROOT
from recommendations.hindsight import CAME_AT, LEFT_AT, TOLD
from recommendations.identity import SELF
from recommendations.interaction_weights import TASTE_HALF_LIFE

EARLIER = 8  # touched listings from which somebody is taken to have looked around
OTHERS = 20  # drawn for each choice, of the same root category
MOST_CHOICES = 3000  # of a root category; with more, so many are drawn
SEED = 23


def learn_decays(behaviour: Behaviour) -> dict[str, float]:
    """By path of a root category, the kilometres by which nearness falls to a third there.

    Each listing that an actor touched is a choice among what was on the market below its root just then, and
    tells by how far each lay from what they had touched before. Root categories are left out of which the
    choices do not tell: see ml.geography.fit_decay.
    """
    market = _Market.read(behaviour.until)
    choices = _Choices.of(behaviour, market)
    rng = np.random.default_rng(SEED)
    found = {root: _fit(choices, market, root, rng) for root in np.unique(market.roots).tolist()}
    paths = dict(Category.objects.filter(pk__in=found).values_list("pk", "path"))
    return {paths[root]: round(km, 1) for root, km in sorted(found.items()) if not np.isnan(km)}


@dataclass(frozen=True, eq=False)
class _Market:
    """n listings with a place that were on the market before a time."""

    listing_ids: np.ndarray  # (n,) int64, sorted
    roots: np.ndarray  # (n,) int64, their root categories
    places: Matrix  # (n, 2) float32 degrees, as the API shows them
    since: np.ndarray  # (n,) float64, seconds since 1970: there from then
    until: np.ndarray  # (n,) float64: no longer there from then on

    @classmethod
    def read(cls, until: datetime) -> "_Market":
        with connection.cursor() as cursor:
            cursor.execute(_MARKET, {"until": until})
            rows = np.array(cursor.fetchall(), np.float64).reshape(-1, 6)
        ids, categories = rows[:, :2].astype(np.int64).T
        places = np.round(rows[:, 2:4], COORDINATE_DIGITS).astype(np.float32)
        return cls(ids, paths_of(categories)[:, 0], places, *rows[:, 4:].T)


_MARKET = f"""
    WITH told AS ({TOLD.format(condition="occurred_at <= %(until)s")})
    SELECT id, category_id, latitude, longitude,
           extract(epoch FROM {CAME_AT})::float8, extract(epoch FROM {LEFT_AT})::float8
    FROM listings_listing LEFT JOIN told ON listing_id = id
    WHERE status <> 'draft' AND latitude IS NOT NULL AND {CAME_AT} <= %(until)s
    ORDER BY id
"""


@dataclass(frozen=True, eq=False)
class _Choices:
    """m touches of listings of a market, by actor and then by when they came to it first."""

    listings: Rows  # (m,) positions in the market
    at: np.ndarray  # (m,) float64, seconds since 1970
    weights: Vector  # (m,) float32, at most 1: what is not to be trusted counts less
    earlier: Rows  # (m, EARLIER) touches by the same actor just before, -1 for none

    @classmethod
    def of(cls, behaviour: Behaviour, market: _Market) -> "_Choices":
        listings = Positions.of(market.listing_ids).find(behaviour.listing_ids)
        at = _first_touches(behaviour)
        kept = np.flatnonzero((listings >= 0) & ~np.isnan(at))
        kept = kept[np.lexsort((at[kept], behaviour.actor_ids[kept]))]
        earlier = np.arange(len(kept))[:, None] - np.arange(1, EARLIER + 1)
        actors = behaviour.actor_ids[kept]
        earlier[(earlier < 0) | (actors[earlier] != actors[:, None])] = -1
        return cls(listings[kept], at[kept], np.minimum(behaviour.care[kept], 1), earlier)


_FIRST_TOUCHES = f"""
    SELECT {SELF}, listing_id, extract(epoch FROM min(occurred_at))::float8
    FROM recommendations_interaction JOIN listings_actor actor ON actor.id = actor_id
    WHERE occurred_at <= %(until)s
    GROUP BY 1, 2
"""


def _first_touches(behaviour: Behaviour) -> np.ndarray:
    """When each actor came to each listing: (m,) float64 seconds since 1970, NaN where nobody knows."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_TOUCHES, {"until": behaviour.until})
        rows = np.array(cursor.fetchall(), np.float64).reshape(-1, 3)
    listings = Positions.of(np.unique(rows[:, 1]).astype(np.int64))

    def cells(actor_ids: np.ndarray, listing_ids: np.ndarray) -> np.ndarray:
        width = len(listings.sorted_ids) + 1  # one for what is not among them
        return actor_ids.astype(np.int64) * width + listings.find(listing_ids.astype(np.int64)) + 1

    found = Positions.of(cells(rows[:, 0], rows[:, 1])).find(
        cells(behaviour.actor_ids, behaviour.listing_ids)
    )
    return np.where(found >= 0, rows[found, 2], np.nan) if len(rows) else np.full(len(behaviour), np.nan)


def _fit(choices: _Choices, market: _Market, root: int, rng: np.random.Generator) -> float:
    """The scale of one root category in km; NaN where its choices do not tell."""
    below = np.flatnonzero(market.roots == root)
    made = np.flatnonzero((market.roots[choices.listings] == root) & (choices.earlier[:, 0] >= 0))
    if len(made) > MOST_CHOICES:
        made = rng.choice(made, MOST_CHOICES, replace=False)
    apart = _apart(choices, market, made, below[rng.integers(len(below), size=(len(made), OTHERS))])
    return fit_decay(apart, _shares(choices, market, made), choices.weights[made])


def _apart(choices: _Choices, market: _Market, made: Rows, others: Rows) -> np.ndarray:
    """As fit_decay has it: made (e,), others (e, k) positions in the market -> (e, 1 + k, EARLIER)"""
    chosen, at = choices.listings[made][:, None], choices.at[made][:, None]
    looked_at = choices.listings[choices.earlier[made]]  # (e, EARLIER); for none, anything
    is_new = (others[:, :, None] != np.hstack([chosen, looked_at])[:, None]).all(axis=2)
    there = (market.since[others] <= at) & (at < market.until[others]) & is_new
    asked = market.places[np.hstack([chosen, others])]  # (e, 1 + k, 2)
    apart = apart_km(asked[:, :, None], market.places[looked_at][:, None])
    apart[:, 1:][~there] = np.nan
    return apart


def _shares(choices: _Choices, market: _Market, made: Rows) -> Matrix:
    """What each earlier touch says of where somebody looks, as Habits has it: (e, EARLIER), sums are 1"""
    earlier = choices.earlier[made]
    roots = market.roots[choices.listings]
    passed_s = choices.at[made][:, None] - choices.at[earlier]
    said = 0.5 ** (passed_s / TASTE_HALF_LIFE.total_seconds()) + 1e-9
    said *= np.where(roots[earlier] == roots[made][:, None], 1, OTHER_ROOT) * (earlier >= 0)
    return (said / said.sum(axis=1, keepdims=True)).astype(np.float32)
