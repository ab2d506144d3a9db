"""What an actor likes, read from their last events at the moment they ask."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from django.conf import settings
from django.db.models import QuerySet

from listings.models import Actor
from ml.arrays import Matrix, Vector
from ml.interests import choose_interests
from recommendations import standing, trust
from recommendations.affinity import Touched, log_prices
from recommendations.columns import vectors_from
from recommendations.habits import Habits
from recommendations.identity import merged_ids
from recommendations.interaction_weights import TASTE_HALF_LIFE, UNWANTED, WEIGHT_CAP, WEIGHTS
from recommendations.models import Interaction, ListingEmbedding
from recommendations.satisfied import LASTS, satisfied_categories
from recommendations.view import View

LAST_EVENTS = 100
INTERESTS = 4
LEAST_WEIGHT = 1e-6  # of what was liked years ago: float32 would make it nothing
MOST_OF_BOUGHT_KINDS = 1000  # events: who did more with them than that is looking for another
UNWANTED_LOOKED_AT = 20  # the last ones: each pushes away what is like it
# Of what affinity goes by: people look for one thing at a time.
RECENT_HALF_LIFE = timedelta(days=settings.ENVIRONMENT.search_half_life_days)


@dataclass(frozen=True)
class Taste:
    """Empty for whoever did nothing yet, or is not known."""

    listing_ids: np.ndarray  # (m,) int64: touched and liked, sold ones included
    weights: Vector  # (m,) float32, > 0
    interests: Matrix  # (i, d) float32: vectors of up to four touched listings that stand for all
    interest_weights: Vector  # (i,) float32, the greatest is 1
    # What the collaborative model says of it; None when the model knows none of it.
    factors: Vector | None = None  # (k,) float32, folded in
    covisited: Vector | None = None  # (n,) float32: how much each of the model's items comes after it
    habits: Habits = field(default_factory=Habits.none)
    touched: Touched = field(default_factory=Touched.none)
    vectors: Matrix | None = None  # (m, d) float32 of listing_ids, zeros where unknown
    unwanted: Matrix = field(default_factory=lambda: np.empty((0, 0), np.float32))  # (u, d): hidden, reported
    satisfied: frozenset[int] = frozenset()  # categories in which they have bought what they looked for
    seen: frozenset[int] = frozenset()  # listing ids not to show again: touched, hidden, reported
    actor_id: int | None = None  # whose own listings are not shown either
    selves: tuple[int, ...] = ()  # keys of this actor and of the visitors merged into them

    @property
    def event_weight(self) -> float:
        """How much is known: about the number of views that it is worth."""
        return float(self.weights.sum())


def read_taste(actor: Actor | None, view: View, *, now: datetime) -> Taste:
    """The taste that the last events of this actor, and of the visitors merged into them, speak of.

    What happened after `now` is left out: evaluation asks what somebody liked at an earlier time.
    """
    if actor is None:
        return _nothing(view)
    selves = merged_ids(actor)
    own = standing.of(selves, until=now)
    events = _last_events(own.exclude(listing__seller=actor.pk).exclude(kind__in=UNWANTED))
    touched = _touched(events, now)
    unwanted = list(own.filter(kind__in=UNWANTED).order_by("-occurred_at").values_list("listing", flat=True))
    liked = {pk: said for pk, said in touched.items() if said.weight > 0 and pk not in unwanted}
    listing_ids = np.fromiter(liked.keys(), np.int64, len(liked))
    weights = np.array([max(said.weight, LEAST_WEIGHT) for said in liked.values()], np.float32)
    vectors, known = vectors_of(listing_ids, view)
    interests, interest_weights = _interests(vectors, known, weights, view)
    factors, covisited = _by_behaviour(listing_ids, weights, view)
    return Taste(
        listing_ids=listing_ids,
        weights=weights,
        interests=interests,
        interest_weights=interest_weights,
        factors=factors,
        covisited=covisited,
        habits=_as_habits(liked, weights),
        touched=_as_touched(liked, vectors, view),
        vectors=vectors.astype(np.float32),
        unwanted=_known_vectors(unwanted[:UNWANTED_LOOKED_AT], view),
        satisfied=_satisfied(own, events, now),
        seen=frozenset(unwanted) | touched.keys(),
        actor_id=actor.pk,
        selves=tuple(selves),
    )


def _nothing(view: View) -> Taste:
    empty = np.empty(0, np.float32)
    return Taste(np.empty(0, np.int64), empty, np.empty((0, view.dimension), np.float32), empty)


_KNOWN = ("listing__price", "listing__category", "listing__latitude", "listing__longitude")
_KNOWN_COUNT = len(_KNOWN)


@dataclass(frozen=True)
class _Said:
    """What the events with one listing say."""

    weight: float  # kinds weighed, halved by age, capped
    recent: float  # of the last event that says anything: 1 now, halved every day
    about: tuple  # of the listing: _KNOWN


class _Event(NamedTuple):
    """One event, as far as it tells of taste."""

    listing: int
    kind: str
    source: str
    is_doubtful: bool
    at: datetime
    about: tuple  # of the listing: _KNOWN


def _last_events(own: QuerySet[Interaction], most: int = LAST_EVENTS) -> list[_Event]:
    """The last one first."""
    columns = ("listing", "kind", "source", "is_doubtful", "occurred_at", *_KNOWN)
    rows = own.order_by("-occurred_at").values_list(*columns)[:most]
    return [_Event(*row[:-_KNOWN_COUNT], row[-_KNOWN_COUNT:]) for row in rows]


def _touched(events: list[_Event], now: datetime) -> dict[int, _Said]:
    """Listing id -> what was said of it."""
    said: dict[int, _Said] = {}
    for it in events:
        belief = trust.belief(it.source, is_doubtful=it.is_doubtful)
        weight = WEIGHTS[it.kind] * belief * 0.5 ** ((now - it.at) / TASTE_HALF_LIFE)
        recent = 0.5 ** ((now - it.at) / RECENT_HALF_LIFE) if weight > 0 else 0.0
        before = said.get(it.listing, _Said(0.0, 0.0, ()))
        total = min(before.weight + weight, WEIGHT_CAP)
        said[it.listing] = _Said(total, max(before.recent, recent), it.about)
    return said


def _satisfied(own: QuerySet[Interaction], events: list[_Event], now: datetime) -> frozenset[int]:
    if len(events) == LAST_EVENTS:  # what they bought may lie farther back
        lately = own.filter(occurred_at__gt=now - LASTS)
        bought = lately.filter(kind=Interaction.Kind.PURCHASE).values_list("listing__category", flat=True)
        events = _last_events(lately.filter(listing__category__in=list(bought)), MOST_OF_BOUGHT_KINDS)
    return satisfied_categories([(it.listing, it.kind, it.about[1], it.at) for it in events], now=now)


def _as_habits(liked: dict[int, _Said], weights: Vector) -> Habits:
    if not liked:
        return Habits.none()
    places = np.array([said.about[2:] for said in liked.values()], dtype=np.float64)  # None becomes NaN
    return Habits.of(weights, places, np.array([said.about[1] for said in liked.values()], np.int64))


def _as_touched(liked: dict[int, _Said], vectors: Matrix, view: View) -> Touched:
    """For the affinity each listing counts once, however much was done with it, and soon less."""
    if not liked:
        return Touched.none()
    recent = np.array([said.recent for said in liked.values()]) + 1e-9
    pence = np.array([int(said.about[0] * 100) for said in liked.values()], np.int64)
    return Touched(
        shares=(recent / recent.sum()).astype(np.float32),
        prices=log_prices(pence),
        categories=np.array([said.about[1] for said in liked.values()], np.int64),
        words=vectors[:, view.comparison.blocks.slices[2]].astype(np.float32),
    )


def _interests(vectors: Matrix, known: np.ndarray, weights: Vector, view: View) -> tuple[Matrix, Vector]:
    """Vectors (i, d) float32 of the listings that stand for the others, and their weights (i,)."""
    if not known.any():
        nothing = _nothing(view)
        return nothing.interests, nothing.interest_weights
    vectors, weights = vectors[known].astype(np.float32), weights[known]
    chosen = choose_interests(view.comparison.weighted(vectors), weights, limit=INTERESTS)
    share = weights[chosen]
    return vectors[chosen], (share / share.max()).astype(np.float32)


def vectors_of(listing_ids: np.ndarray, view: View) -> tuple[Matrix, np.ndarray]:
    """Vectors (m, d) float16 and which are known (m,) bool; those of sold listings come from the table."""
    rows = view.rows_of(listing_ids)
    known = rows >= 0
    vectors = np.zeros((len(listing_ids), view.dimension), np.float16)
    vectors[known] = view.vectors(rows[known])
    gone = {int(pk): place for place, pk in enumerate(listing_ids) if not known[place]}
    stored = ListingEmbedding.objects.filter(listing__in=gone.keys(), encoder_version=view.encoder_version)
    for pk, vector in stored.values_list("listing_id", "vector"):
        vectors[gone[pk]] = np.frombuffer(vector, dtype="<f2")
        known[gone[pk]] = True
    return vectors, known


def _known_vectors(listing_ids: list[int], view: View) -> Matrix:
    """(u, d) float32 of those that have one."""
    vectors, known = vectors_of(np.array(listing_ids, np.int64), view)
    return vectors[known].astype(np.float32)


def photo_vectors_of(listing_id: int, view: View) -> Matrix:
    """Vectors of a listing's photos, (m, look + meaning) float16; those of a sold one come from the table."""
    row = int(view.rows_of(np.array([listing_id]))[0])
    if row >= 0:
        return view.photos_of(row).vectors
    stored = ListingEmbedding.objects.filter(listing=listing_id, encoder_version=view.encoder_version)
    return vectors_from(
        stored.values_list("photo_vectors", flat=True), view.comparison.blocks.photo_dimension
    )


def _by_behaviour(
    listing_ids: np.ndarray, weights: Vector, view: View
) -> tuple[Vector | None, Vector | None]:
    """Factors and co-visitation, as `Taste` has them."""
    model = view.collaborative
    if model is None:
        return None, None
    items = model.items_of(listing_ids)
    known = items >= 0
    if not known.any():
        return None, None
    return model.fold_in(items[known], weights[known]), model.covisited(items[known], weights[known])
