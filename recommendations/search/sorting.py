"""Orders of search results beside relevance: newest, cheapest, dearest, nearest."""

from enum import StrEnum

import numpy as np
from django.db.models import ExpressionWrapper, FloatField, QuerySet
from django.db.models.expressions import OrderBy

from listings.errors import Invalid
from listings.models import Listing
from ml.arrays import Rows
from recommendations.retrieval.filters import Filters
from recommendations.retrieval.sql_filters import distance_km


class Sort(StrEnum):
    """How the listings of a search are ordered."""

    RELEVANCE = "relevance"
    NEWEST = "newest"
    CHEAPEST = "price"
    DEAREST = "-price"
    NEAREST = "distance"


class NowhereToMeasureFrom(Invalid):
    def __init__(self):
        super().__init__("sort=distance needs lat and lon, or a place in q.", field="sort")


def sorted_ids(listings: QuerySet[Listing], sort: Sort, filters: Filters, limit: int) -> Rows:
    """Ids of the first `limit` listings in this order, the newest first among equals: (n,) int64.

    Listings without a location are the farthest. Raises NowhereToMeasureFrom.
    """
    newest = ("-created_at", "-pk")
    if sort is Sort.NEAREST:
        ids = _nearest(listings, filters).values_list("pk", flat=True)
    else:
        first = {Sort.CHEAPEST: ("price",), Sort.DEAREST: ("-price",)}.get(sort, ())
        ids = listings.order_by(*first, *newest).values_list("pk", flat=True)
    return np.array(list(ids[:limit]), np.int64)


def _nearest(listings: QuerySet[Listing], filters: Filters) -> QuerySet[Listing]:
    if filters.stated_location is None:
        raise NowhereToMeasureFrom
    away_km = ExpressionWrapper(distance_km(*filters.stated_location), output_field=FloatField())
    return listings.order_by(OrderBy(away_km, nulls_last=True), "-created_at", "-pk")
