"""The user profile: an actor's interests, read from their last events when a request comes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

import numpy as np
from django.conf import settings

from listings.models import Actor
from ml.arrays import Matrix, Vector
from ml.ranking.interests import choose_interests
from recommendations.interactions.weights import EVENT_WEIGHTS, PROFILE_HALF_LIFE, WEIGHT_CAP
from recommendations.models.embeddings import ListingEmbedding
from recommendations.models.vector_format import decode_vectors
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.taste.affinity import TouchedListings, log_prices
from recommendations.taste.history import (
    LAST_EVENTS,
    MAX_REJECTED,
    About,
    ActorHistory,
    Event,
    read_actor_history,
)
from recommendations.taste.location import LocationProfile
from recommendations.taste.purchases import satisfied_categories
from recommendations.trust import weighting

MAX_INTERESTS = 4
LEAST_WEIGHT = 1e-6  # of events of years ago: float32 would round their weight to 0
# Of the events behind affinity. It is short: people look for one thing at a time.
RECENT_HALF_LIFE = timedelta(days=settings.ENVIRONMENT.search_half_life_days)


@dataclass(frozen=True)
class UserProfile:
    """What is known of an actor; empty for one without events, or without an id."""

    listing_ids: np.ndarray  # (m,) int64: touched with a positive weight, sold ones included
    weights: Vector  # (m,) float32, > 0
    interests: Matrix  # (i, d) float32: embeddings of up to four touched listings that represent all
    interest_weights: Vector  # (i,) float32, the greatest is 1
    # From the collaborative model; None where it knows none of the touched listings.
    factors: Vector | None = None  # (k,) float32, by fold-in
    covisited: Vector | None = None  # (n,) float32: co-visitation score of each item of the model
    location_profile: LocationProfile = field(default_factory=LocationProfile.none)
    touched: TouchedListings = field(default_factory=TouchedListings.none)
    kinds: tuple[str, ...] = ()  # of the strongest event with each of listing_ids
    vectors: Matrix | None = None  # (m, d) float32 of listing_ids, zeros where unknown
    unwanted: Matrix = field(default_factory=lambda: np.empty((0, 0), np.float32))  # (u, d): hidden, reported
    satisfied: frozenset[int] = frozenset()  # ids of categories in which they bought what they looked for
    seen: frozenset[int] = frozenset()  # ids of listings not to show again: touched, hidden, reported
    actor_id: int | None = None
    rested: frozenset[int] = frozenset()  # ids of listings that they were shown too often lately
    names: Mapping[int, tuple[str, str]] = field(default_factory=dict)  # external id, title of those public

    @property
    def event_weight(self) -> float:
        """How much is known of the actor, in the weight of one view."""
        return float(self.weights.sum())


def read_profile(
    actor: Actor | None, snapshot: CatalogueSnapshot, *, now: datetime, rest_after: int | None = None
) -> UserProfile:
    """The profile of an actor, from their last events and those of the visitors merged into them.

    Events after `now` are left out: evaluation reads profiles of earlier times. rest_after: the number of
    impressions after which a listing rests for this actor; None: none rests.
    """
    if actor is None:
        return _empty(snapshot)
    past = read_actor_history(
        actor.pk, encoder_version=snapshot.encoder_version, now=now, rest_after=rest_after
    )
    touched, unwanted = _touched(past.events, now), past.unwanted
    liked = {pk: signal for pk, signal in touched.items() if signal.weight > 0 and pk not in unwanted}
    listing_ids = np.fromiter(liked.keys(), np.int64, len(liked))
    weights = np.array([max(signal.weight, LEAST_WEIGHT) for signal in liked.values()], np.float32)
    vectors, known = vectors_of(listing_ids, snapshot, past.vectors)
    interests, interest_weights = _interests(vectors, known, weights, snapshot)
    factors, covisited = _collaborative(listing_ids, weights, snapshot)
    return UserProfile(
        listing_ids=listing_ids,
        weights=weights,
        interests=interests,
        interest_weights=interest_weights,
        factors=factors,
        covisited=covisited,
        location_profile=_location_profile(liked, weights),
        touched=_touched_listings(liked, vectors, snapshot),
        kinds=tuple(signal.kind for signal in liked.values()),
        vectors=vectors.astype(np.float32),
        unwanted=_known_vectors(unwanted[:MAX_REJECTED], snapshot, past.vectors),
        satisfied=_satisfied(past, now),
        seen=frozenset(unwanted) | touched.keys(),
        actor_id=actor.pk,
        rested=past.fatigued,
        names=past.names,
    )


def _empty(snapshot: CatalogueSnapshot) -> UserProfile:
    empty = np.empty(0, np.float32)
    return UserProfile(np.empty(0, np.int64), empty, np.empty((0, snapshot.dimension), np.float32), empty)


@dataclass(frozen=True)
class _Signal:
    """The events with one listing, summed up."""

    weight: float  # sum of the events' weights, decayed by age, capped
    recent: float  # decay of the last event with a positive weight: 1 now, halved every RECENT_HALF_LIFE
    kind: str  # of the event with the greatest weight of its kind
    about: About


def _touched(events: list[Event], now: datetime) -> dict[int, _Signal]:
    """Listing id -> the sum of its events."""
    signals: dict[int, _Signal] = {}
    for event in events:
        belief = weighting.trust_factor(event.source, is_doubtful=event.is_doubtful)
        weight = EVENT_WEIGHTS[event.kind] * belief * 0.5 ** ((now - event.at) / PROFILE_HALF_LIFE)
        recent = 0.5 ** ((now - event.at) / RECENT_HALF_LIFE) if weight > 0 else 0.0
        before = signals.get(event.listing, _Signal(0.0, 0.0, event.kind, event.about))
        total = min(before.weight + weight, WEIGHT_CAP)
        kind = max(before.kind, event.kind, key=EVENT_WEIGHTS.__getitem__)
        signals[event.listing] = _Signal(total, max(before.recent, recent), kind, event.about)
    return signals


def _satisfied(past: ActorHistory, now: datetime) -> frozenset[int]:
    # Purchases may lie farther back than the last events.
    events = past.of_bought_kinds if len(past.events) == LAST_EVENTS else past.events
    return satisfied_categories(
        [(event.listing, event.kind, event.about.category, event.at) for event in events], now=now
    )


def _location_profile(liked: dict[int, _Signal], weights: Vector) -> LocationProfile:
    if not liked:
        return LocationProfile.none()
    places = np.array([signal.about[2:] for signal in liked.values()], dtype=np.float64)  # None becomes NaN
    return LocationProfile.of(
        weights, places, np.array([signal.about[1] for signal in liked.values()], np.int64)
    )


def _touched_listings(
    liked: dict[int, _Signal], vectors: Matrix, snapshot: CatalogueSnapshot
) -> TouchedListings:
    """For affinity each listing counts once, by the age of its last event and not by the number of events."""
    if not liked:
        return TouchedListings.none()
    recent = np.array([signal.recent for signal in liked.values()]) + 1e-9
    pence = np.array([int(signal.about[0] * 100) for signal in liked.values()], np.int64)
    return TouchedListings(
        shares=(recent / recent.sum()).astype(np.float32),
        prices=log_prices(pence),
        categories=np.array([signal.about[1] for signal in liked.values()], np.int64),
        words=vectors[:, snapshot.comparison.blocks.slices[2]].astype(np.float32),
    )


def _interests(
    vectors: Matrix, known: np.ndarray, weights: Vector, snapshot: CatalogueSnapshot
) -> tuple[Matrix, Vector]:
    """Embeddings (i, d) float32 of the listings that represent the others, and their weights (i,)."""
    if not known.any():
        empty = _empty(snapshot)
        return empty.interests, empty.interest_weights
    vectors, weights = vectors[known].astype(np.float32), weights[known]
    chosen = choose_interests(snapshot.comparison.weighted(vectors), weights, limit=MAX_INTERESTS)
    share = weights[chosen]
    return vectors[chosen], (share / share.max()).astype(np.float32)


def vectors_of(
    listing_ids: np.ndarray, snapshot: CatalogueSnapshot, stored: Mapping[int, Vector] = MappingProxyType({})
) -> tuple[Matrix, np.ndarray]:
    """Embeddings (m, d) float16 and which are known (m,) bool; those of sold listings come from the table.

    stored: embeddings that were read from the table before.
    """
    rows = snapshot.rows_of(listing_ids)
    known = rows >= 0
    vectors = np.zeros((len(listing_ids), snapshot.dimension), np.float16)
    vectors[known] = snapshot.vectors(rows[known])
    gone = {int(pk): place for place, pk in enumerate(listing_ids) if not known[place]}
    unread = gone.keys() - stored.keys()
    read = _stored_vectors(unread, snapshot.encoder_version) if unread else {}
    for pk, place in gone.items():
        vector = stored.get(pk, read.get(pk))
        if vector is not None:
            vectors[place], known[place] = vector, True
    return vectors, known


def _stored_vectors(listing_ids: Collection[int], encoder_version: str) -> dict[int, Vector]:
    stored = ListingEmbedding.objects.filter(listing__in=listing_ids, encoder_version=encoder_version)
    return {
        pk: np.frombuffer(vector, dtype="<f2") for pk, vector in stored.values_list("listing_id", "vector")
    }


def _known_vectors(
    listing_ids: list[int], snapshot: CatalogueSnapshot, stored: Mapping[int, Vector]
) -> Matrix:
    """Embeddings (u, d) float32 of the listings that have one."""
    vectors, known = vectors_of(np.array(listing_ids, np.int64), snapshot, stored)
    return vectors[known].astype(np.float32)


def photo_vectors_of(listing_id: int, snapshot: CatalogueSnapshot) -> Matrix:
    """Embeddings of a listing's photos, (m, look + meaning) float16; of a sold one, from the table."""
    row = int(snapshot.rows_of(np.array([listing_id]))[0])
    if row >= 0:
        return snapshot.photos_of(row).vectors
    stored = ListingEmbedding.objects.filter(listing=listing_id, encoder_version=snapshot.encoder_version)
    return decode_vectors(
        stored.values_list("photo_vectors", flat=True), snapshot.comparison.blocks.photo_dimension
    )


def _collaborative(
    listing_ids: np.ndarray, weights: Vector, snapshot: CatalogueSnapshot
) -> tuple[Vector | None, Vector | None]:
    """Folded-in factors and co-visitation scores; None where the model knows none of the listings."""
    model = snapshot.collaborative
    if model is None:
        return None, None
    items = model.items_of(listing_ids)
    known = items >= 0
    if not known.any():
        return None, None
    return model.fold_in(items[known], weights[known]), model.covisited(items[known], weights[known])
