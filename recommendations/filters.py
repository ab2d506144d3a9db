"""Which rows may be shown: what the caller asks for, and what an actor is not shown."""

from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from listings.errors import Invalid
from listings.queries import categories_below
from ml import geography
from recommendations.columns import CONDITIONS
from recommendations.view import View


@dataclass(frozen=True)
class Filters:
    """What a caller wants to see; None wants anything."""

    category: str | None = None  # a path; what lies below it is included
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    condition: str | None = None
    lat: float | None = None  # where who asks is
    lon: float | None = None
    radius_km: float | None = None  # around there; without it nothing is too far

    def __post_init__(self) -> None:
        if None not in (self.min_price, self.max_price) and self.min_price > self.max_price:
            raise Invalid("min_price is above max_price.", field="min_price")
        if (self.lat is None) != (self.lon is None):
            raise Invalid("lat and lon belong together.", field="lon" if self.lat is None else "lat")
        if self.radius_km is not None and self.lat is None:
            raise Invalid("radius_km goes with lat and lon.", field="radius_km")

    @property
    def here(self) -> tuple[float, float] | None:
        """Where who asks says that they are, latitude and longitude in degrees; None when they do not."""
        return None if self.lat is None or self.lon is None else (self.lat, self.lon)

    @property
    def leave_all(self) -> bool:
        """Whether there is nothing that they keep out: where somebody is keeps nothing out."""
        return replace(self, lat=None, lon=None, radius_km=None) == Filters() and self.radius_km is None

    def to_json(self) -> dict[str, Any]:
        """Those that are set, prices as strings."""
        wanted = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: str(value) if isinstance(value, Decimal) else value for name, value in wanted.items()}


def allowed_rows(
    view: View,
    filters: Filters,
    *,
    without: frozenset[int] = frozenset(),
    not_of: int | None = None,
    not_in: frozenset[int] = frozenset(),
) -> np.ndarray:
    """(rows,) bool: live, passing the filters; none of these listings, this seller or these categories.

    Raises NoSuchCategory.
    """
    allowed = view.alive.copy()
    attributes = view.attributes
    if filters.category is not None:
        allowed &= np.isin(attributes["category_id"], categories_below(filters.category))
    if filters.min_price is not None:
        allowed &= attributes["price_pence"] >= int(filters.min_price * 100)
    if filters.max_price is not None:
        allowed &= attributes["price_pence"] <= int(filters.max_price * 100)
    if filters.condition is not None:
        allowed &= attributes["condition"] == CONDITIONS.index(filters.condition)
    if filters.radius_km is not None:
        allowed &= distances_km(view, filters.lat, filters.lon) <= filters.radius_km  # NaN is not near
    if not_of is not None:
        allowed &= attributes["seller_id"] != not_of
    if not_in:
        allowed &= ~np.isin(attributes["category_id"], list(not_in))
    if without:
        rows = view.rows_of(np.fromiter(without, np.int64, len(without)))
        allowed[rows[rows >= 0]] = False
    return allowed


def distances_km(view: View, latitude: float, longitude: float) -> np.ndarray:
    """(rows,) float32, to where the API shows a listing; NaN for those without a place."""
    places = np.column_stack([view.attributes["latitude"], view.attributes["longitude"]])
    return geography.distances_km(places, np.array([(latitude, longitude)]))[:, 0]
