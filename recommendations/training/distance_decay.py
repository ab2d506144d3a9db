"""Distance decay per root category, learned from interactions: people go farther for a car than a lamp."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import numpy as np
from django.db import connection

from listings.api.serializers import COORDINATE_DIGITS
from listings.models import Category
from ml.arrays import Matrix, Rows, Vector
from ml.positions import Positions
from ml.ranking.geography import fit_decay, haversine_km
from recommendations.collaborative.history import InteractionHistory
from recommendations.core.identity import PERSON_KEY
from recommendations.evaluation.point_in_time import DELISTED_AT_SQL, FIRST_EVENTS_SQL, LISTED_AT_SQL
from recommendations.interactions.weights import PROFILE_HALF_LIFE
from recommendations.taste.category_paths import paths_of
from recommendations.taste.location import DEFAULT_DECAY_KM, OTHER_ROOT_WEIGHT

EARLIER = 8  # previous listings of an actor that stand for where the actor is looking
OTHERS = 20  # alternatives sampled for each choice, from the same root category
MOST_CHOICES = 3000  # per root category; more are sampled down to so many
SEED = 23


def learn_decays(
    history: InteractionHistory, last: Mapping[str, float] = MappingProxyType({})
) -> dict[str, float]:
    """Path of a root category -> the kilometres within which the proximity score falls to a third.

    Each interaction is treated as a choice among the listings of the same root category that were on the
    market at that time, by their distances from the actor's previous listings. Root categories with too few
    or uninformative choices are left out, and few are held to DEFAULT_DECAY_KM: see
    ml.ranking.geography.fit_decay. last: those of the training before; new ones go half the way from there,
    so that chance in one training changes no feed much.
    """
    market = _Market.read(history.until)
    choices = _Choices.of(history, market)
    rng = np.random.default_rng(SEED)
    scales = {root: _fit(choices, market, root, rng) for root in np.unique(market.roots).tolist()}
    paths = dict(Category.objects.filter(pk__in=scales).values_list("pk", "path"))
    found = {paths[root]: km for root, km in sorted(scales.items()) if not np.isnan(km)}
    return {path: round((km * last.get(path, km)) ** 0.5, 1) for path, km in found.items()}


@dataclass(frozen=True, eq=False)
class _Market:
    """The n listings with coordinates that were on the market before a time."""

    listing_ids: np.ndarray  # (n,) int64, sorted
    roots: np.ndarray  # (n,) int64, ids of their root categories
    places: Matrix  # (n, 2) float32 degrees, rounded as the API shows them
    since: np.ndarray  # (n,) float64, seconds since 1970: on the market from then
    until: np.ndarray  # (n,) float64: not on the market from then on

    @classmethod
    def read(cls, until: datetime) -> "_Market":
        with connection.cursor() as cursor:
            cursor.execute(_MARKET, {"until": until})
            rows = np.array(cursor.fetchall(), np.float64).reshape(-1, 6)
        ids, categories = rows[:, :2].astype(np.int64).T
        places = np.round(rows[:, 2:4], COORDINATE_DIGITS).astype(np.float32)
        return cls(ids, paths_of(categories)[:, 0], places, *rows[:, 4:].T)


_MARKET = f"""
    WITH first_event AS ({FIRST_EVENTS_SQL.format(condition="occurred_at <= %(until)s")})
    SELECT id, category_id, latitude, longitude,
           extract(epoch FROM {LISTED_AT_SQL})::float8, extract(epoch FROM {DELISTED_AT_SQL})::float8
    FROM listings_listing LEFT JOIN first_event ON listing_id = id
    WHERE status <> 'draft' AND latitude IS NOT NULL AND {LISTED_AT_SQL} <= %(until)s
    ORDER BY id
"""


@dataclass(frozen=True, eq=False)
class _Choices:
    """The m (actor, listing) pairs of a history on a market, ordered by actor and then by first event."""

    listings: Rows  # (m,) positions in the market
    at: np.ndarray  # (m,) float64, seconds since 1970
    weights: Vector  # (m,) float32, at most 1: interactions of distrusted actors count less
    earlier: Rows  # (m, EARLIER) the same actor's previous choices, latest first, -1 for none

    @classmethod
    def of(cls, history: InteractionHistory, market: _Market) -> "_Choices":
        listings = Positions.of(market.listing_ids).find(history.listing_ids)
        at = _first_touches(history)
        kept = np.flatnonzero((listings >= 0) & ~np.isnan(at))
        kept = kept[np.lexsort((at[kept], history.actor_ids[kept]))]
        earlier = np.arange(len(kept))[:, None] - np.arange(1, EARLIER + 1)
        actors = history.actor_ids[kept]
        earlier[(earlier < 0) | (actors[earlier] != actors[:, None])] = -1
        return cls(listings[kept], at[kept], np.minimum(history.undecayed_weights[kept], 1), earlier)


_FIRST_TOUCHES = f"""
    SELECT {PERSON_KEY}, listing_id, extract(epoch FROM min(occurred_at))::float8
    FROM recommendations_interaction JOIN listings_actor actor ON actor.id = actor_id
    WHERE occurred_at <= %(until)s
    GROUP BY 1, 2
"""


def _first_touches(history: InteractionHistory) -> np.ndarray:
    """The first event of each entry of the history: (m,) float64 seconds since 1970, NaN where unknown."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_TOUCHES, {"until": history.until})
        rows = np.array(cursor.fetchall(), np.float64).reshape(-1, 3)
    listings = Positions.of(np.unique(rows[:, 1]).astype(np.int64))

    def cells(actor_ids: np.ndarray, listing_ids: np.ndarray) -> np.ndarray:
        width = len(listings.sorted_ids) + 1  # one more for unknown listings
        return actor_ids.astype(np.int64) * width + listings.find(listing_ids.astype(np.int64)) + 1

    row_of_entry = Positions.of(cells(rows[:, 0], rows[:, 1])).find(
        cells(history.actor_ids, history.listing_ids)
    )
    if not len(rows):
        return np.full(len(history), np.nan)
    return np.where(row_of_entry >= 0, rows[row_of_entry, 2], np.nan)


def _fit(choices: _Choices, market: _Market, root: int, rng: np.random.Generator) -> float:
    """The scale of one root category in km, NaN where its choices do not determine it."""
    below = np.flatnonzero(market.roots == root)
    made = np.flatnonzero((market.roots[choices.listings] == root) & (choices.earlier[:, 0] >= 0))
    if len(made) > MOST_CHOICES:
        made = rng.choice(made, MOST_CHOICES, replace=False)
    others = below[rng.integers(len(below), size=(len(made), OTHERS))]
    distances = _distances(choices, market, made, others)
    shares = _shares(choices, market, made)
    return fit_decay(distances, shares, choices.weights[made], prior_km=DEFAULT_DECAY_KM)


def _distances(choices: _Choices, market: _Market, made: Rows, others: Rows) -> np.ndarray:
    """Distances in km for fit_decay: made (e,), others (e, k) positions in the market -> (e, 1 + k, EARLIER)

    The first of axis 1 is the chosen listing. Alternatives that were not on the market then are NaN.
    """
    chosen, at = choices.listings[made][:, None], choices.at[made][:, None]
    previous = choices.listings[choices.earlier[made]]  # (e, EARLIER); arbitrary where there is none
    is_new = (others[:, :, None] != np.hstack([chosen, previous])[:, None]).all(axis=2)
    is_available = (market.since[others] <= at) & (at < market.until[others]) & is_new
    places = market.places[np.hstack([chosen, others])]  # (e, 1 + k, 2)
    distances = haversine_km(places[:, :, None], market.places[previous][:, None])
    distances[:, 1:][~is_available] = np.nan
    return distances


def _shares(choices: _Choices, market: _Market, made: Rows) -> Matrix:
    """The weight of each previous choice as a place where the actor looks: (e, EARLIER), rows sum to 1

    Weighted as in the location profile: by age, and less for another root category.
    """
    earlier = choices.earlier[made]
    roots = market.roots[choices.listings]
    passed_s = choices.at[made][:, None] - choices.at[earlier]
    weights = 0.5 ** (passed_s / PROFILE_HALF_LIFE.total_seconds()) + 1e-9
    weights *= np.where(roots[earlier] == roots[made][:, None], 1, OTHER_ROOT_WEIGHT) * (earlier >= 0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
