"""Orders of search results beside relevance: newest, cheapest, dearest, nearest."""

from enum import StrEnum

import numpy as np
from django.db.models import F, QuerySet

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
        if filters.stated_location is None:
            raise NowhereToMeasureFrom
        listings = listings.annotate(away_km=distance_km(*filters.stated_location))
        ordered = listings.order_by(F("away_km").asc(nulls_last=True), *newest)
    elif sort is Sort.CHEAPEST:
        ordered = listings.order_by("price", *newest)
    elif sort is Sort.DEAREST:
        ordered = listings.order_by("-price", *newest)
    else:
        ordered = listings.order_by(*newest)
    return np.array(list(ordered.values_list("pk", flat=True)[:limit]), np.int64)
