"""A user profile in words and listings: what the system takes an actor to like."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from listings.models import Category, Listing, Place
from listings.queries import with_details
from ml.arrays import Vector
from recommendations.taste.location import Location
from recommendations.taste.profile import UserProfile

MOST_CATEGORIES = 6
PRICES = (0.1, 0.5, 0.9)  # shares of the touched listings below each price that is named
NEAR_DEGREES = 0.3  # of a place that gives a location its name


@dataclass(frozen=True)
class Interest:
    """A touched listing that stands for others. weight: 1 for the strongest."""

    listing: Listing
    weight: float


@dataclass(frozen=True)
class Taste:
    interests: list[Interest]
    categories: list[tuple[str, float]]  # path and share of the recent events, the greatest first
    prices: tuple[float, float, float] | None  # low, middle and high, in pounds
    place: Place | None  # the largest one near where the actor looks
    satisfied: list[str]  # paths of categories in which they bought what they looked for
    event_weight: float


def describe(profile: UserProfile) -> Taste:
    """What a profile says, with the rows that it needs, in a fixed number of queries."""
    touched = profile.touched
    named = {int(pk) for pk in touched.categories} | profile.satisfied
    paths = dict(Category.objects.filter(pk__in=named).values_list("pk", "path")) if named else {}
    by_category: dict[int, float] = defaultdict(float)
    for pk, share in zip(touched.categories.tolist(), touched.shares.tolist(), strict=True):
        by_category[pk] += share
    largest = sorted(by_category.items(), key=lambda pair: -pair[1])[:MOST_CATEGORIES]
    return Taste(
        interests=_interests(profile),
        categories=[(paths[pk], share) for pk, share in largest if pk in paths],
        prices=_prices(touched.prices, touched.shares),
        place=_place(profile.location_profile.medoid),
        satisfied=sorted(paths[pk] for pk in profile.satisfied if pk in paths),
        event_weight=profile.event_weight,
    )


def _interests(profile: UserProfile) -> list[Interest]:
    """The listings whose embeddings are the interests of a profile."""
    if profile.vectors is None or not len(profile.interests):
        return []
    places = [int((profile.vectors == vector).all(axis=1).argmax()) for vector in profile.interests]
    ids = [int(profile.listing_ids[place]) for place in places]
    listings = with_details(Listing.objects.all()).in_bulk(ids)
    weighted = zip(ids, profile.interest_weights.tolist(), strict=True)
    found = [Interest(listings[pk], weight) for pk, weight in weighted if pk in listings]
    return sorted(found, key=lambda interest: -interest.weight)


def _prices(logarithms: Vector, shares: Vector) -> tuple[float, float, float] | None:
    """Weighted quantiles of prices: logarithms (m,) of 1 + pounds, shares (m,) that add up to 1."""
    if not len(logarithms):
        return None
    order = np.argsort(logarithms)
    below = np.cumsum(shares[order])
    places = np.searchsorted(below, np.array(PRICES) * below[-1]).clip(max=len(order) - 1)
    low, middle, high = np.expm1(logarithms[order][places].astype(np.float64)).tolist()
    return low, middle, high


def _place(location: Location | None) -> Place | None:
    if location is None:
        return None
    latitude, longitude = location
    near = Place.objects.filter(
        latitude__range=(latitude - NEAR_DEGREES, latitude + NEAR_DEGREES),
        longitude__range=(longitude - NEAR_DEGREES, longitude + NEAR_DEGREES),
        population__isnull=False,
    )
    return near.order_by("-population", "pk").first()
