"""What comparable listings cost, for whoever is about to sell something."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np

from listings.errors import Unavailable
from listings.models import Listing
from recommendations.retrieval.filters import Filters
from recommendations.search.pipeline import search

COMPARED = 15  # listings, at most: those further down are less and less alike
QUARTERS = (0.25, 0.5, 0.75)
LEAST_COMPARED = 5  # fewer say little of a price


@dataclass(frozen=True)
class PriceRange:
    """The middle half of the prices of comparable listings, and these, the most similar first."""

    low: Decimal
    high: Decimal
    median: Decimal
    listings: list[Listing]


def find_price_range(*, words: str, photo: bytes | None, now: datetime) -> PriceRange | None:
    """The price range of listings for sale that match words, a photo, or both.

    photo: a JPEG as made by listings.photos.processing.receive. None without words and photo, and where
    fewer than LEAST_COMPARED listings match.
    """
    if not words.strip() and photo is None:
        return None
    try:
        page = search(
            words=words,
            photo=photo,
            filters=Filters(),
            understand=False,
            limit=COMPARED,
            now=now,
        )
    except Unavailable:  # the photo cannot be encoded just now, and there are no words
        return None
    found = [item.listing for item in page.items]
    if len(found) < LEAST_COMPARED:
        return None
    prices = [float(listing.price) for listing in found]
    low, median, high = (Decimal(f"{price:.2f}") for price in np.quantile(prices, QUARTERS))
    return PriceRange(low, high, median, found)
