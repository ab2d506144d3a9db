"""Filters of a request, each defined once for the rows of the replica and for SQL."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
from django.db.models import Q, QuerySet

from listings.errors import Invalid
from listings.models import Listing
from listings.queries import categories_below
from ml.ranking import geography
from recommendations.replica.columns import CONDITIONS
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.retrieval.sql_filters import within_radius


@dataclass(frozen=True)
class Filters:
    """Which listings a caller wants. None leaves a filter out.   Raises Invalid for a contradiction."""

    category: str | tuple[str, ...] | None = None  # paths; categories below them are included
    min_price: Decimal | None = None  # both ends are included
    max_price: Decimal | None = None
    condition: str | None = None  # a Listing.Condition
    lat: float | None = None  # where the caller is, in degrees
    lon: float | None = None
    radius_km: float | None = None  # around lat and lon; None allows any distance

    def __post_init__(self) -> None:
        if self.min_price is not None and self.max_price is not None and self.min_price > self.max_price:
            raise Invalid("min_price is above max_price.", field="min_price")
        if (self.lat is None) != (self.lon is None):
            raise Invalid("lat and lon belong together.", field="lon" if self.lat is None else "lat")
        if self.radius_km is not None and self.lat is None:
            raise Invalid("radius_km goes with lat and lon.", field="radius_km")

    @property
    def stated_location(self) -> tuple[float, float] | None:
        """The location that the caller states, latitude and longitude in degrees; None without one."""
        return None if self.lat is None or self.lon is None else (self.lat, self.lon)

    @property
    def pass_everything(self) -> bool:
        """Whether every listing passes. A location without a radius excludes nothing."""
        return replace(self, lat=None, lon=None, radius_km=None) == Filters() and self.radius_km is None

    def to_json(self) -> dict[str, Any]:
        """The filters that are set, prices as strings."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: str(value) if isinstance(value, Decimal) else value for name, value in given.items()}


@dataclass(frozen=True)
class FilterDefinition:
    """One filter: the value that it compares with, and its meaning for the replica and for the database."""

    value: Callable[[Filters], Any]  # None where the filter is not set
    rows: Callable[[CatalogueSnapshot, Any], np.ndarray]  # -> (rows,) bool
    sql: Callable[[Any], Q]


def _categories_below(paths: str | tuple[str, ...]) -> list[int]:
    """Keys of one or several categories and of all below them. Raises NoSuchCategory."""
    return categories_below(paths) if isinstance(paths, str) else categories_below(*paths)


# A new filter is one field above and one entry here: the replica and the database both go by it.
_DEFINITIONS = (
    FilterDefinition(
        lambda filters: None if filters.category is None else _categories_below(filters.category),
        rows=lambda snapshot, keys: np.isin(snapshot.attributes["category_id"], keys),
        sql=lambda keys: Q(category__in=keys),
    ),
    FilterDefinition(
        lambda filters: filters.condition,
        rows=lambda snapshot, name: snapshot.attributes["condition"] == CONDITIONS.index(name),
        sql=lambda name: Q(condition=name),
    ),
    FilterDefinition(
        lambda filters: filters.min_price,
        rows=lambda snapshot, price: snapshot.attributes["price_pence"] >= int(price * 100),
        sql=lambda price: Q(price__gte=price),
    ),
    FilterDefinition(
        lambda filters: filters.max_price,
        rows=lambda snapshot, price: snapshot.attributes["price_pence"] <= int(price * 100),
        sql=lambda price: Q(price__lte=price),
    ),
    FilterDefinition(
        lambda filters: None if filters.radius_km is None else (filters.lat, filters.lon, filters.radius_km),
        rows=lambda snapshot, circle: _distances_km(snapshot, *circle[:2]) <= circle[2],  # NaN is not near
        sql=lambda circle: within_radius(*circle),
    ),
)
# Its value comes with the call of the two functions below: no request sets it.
_NOT_SOLD_BY = FilterDefinition(
    lambda filters: None,
    rows=lambda snapshot, seller_id: snapshot.attributes["seller_id"] != seller_id,
    sql=lambda seller_id: ~Q(seller=seller_id),
)


def allowed_rows(
    snapshot: CatalogueSnapshot,
    filters: Filters,
    *,
    excluded_listings: frozenset[int] = frozenset(),
    excluded_seller: int | None = None,
    excluded_categories: frozenset[int] = frozenset(),
) -> np.ndarray:
    """The live rows of the replica that pass the filters: (rows,) bool.

    excluded_listings: ids. excluded_seller: the id of a seller whose listings are left out.
    excluded_categories: ids. Raises NoSuchCategory.
    """
    allowed = snapshot.alive.copy()
    for definition, value in _applied(filters, excluded_seller):
        allowed &= definition.rows(snapshot, value)
    if excluded_categories:
        allowed &= ~np.isin(snapshot.attributes["category_id"], list(excluded_categories))
    if excluded_listings:
        rows = snapshot.rows_of(np.fromiter(excluded_listings, np.int64, len(excluded_listings)))
        allowed[rows[rows >= 0]] = False
    return allowed


def listings_passing(filters: Filters, excluded_seller: int | None = None) -> QuerySet[Listing]:
    """The active listings of the database that pass the filters.

    excluded_seller: the id of a seller whose listings are left out. Raises NoSuchCategory.
    """
    passing = Q()
    for definition, value in _applied(filters, excluded_seller):
        passing &= definition.sql(value)
    return Listing.objects.filter(passing, status=Listing.Status.ACTIVE)


def _applied(filters: Filters, not_of: int | None) -> list[tuple[FilterDefinition, Any]]:
    """The definitions that apply, each with its value. Raises NoSuchCategory."""
    values = [(definition, definition.value(filters)) for definition in _DEFINITIONS]
    values.append((_NOT_SOLD_BY, not_of))
    return [(definition, value) for definition, value in values if value is not None]


def _distances_km(snapshot: CatalogueSnapshot, latitude: float, longitude: float) -> np.ndarray:
    """From a point to where the API shows each listing: (rows,) float32, NaN without a location."""
    places = np.column_stack([snapshot.attributes["latitude"], snapshot.attributes["longitude"]])
    return geography.distances_km(places, np.array([(latitude, longitude)]))[:, 0]
