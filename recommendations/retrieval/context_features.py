"""Context features of candidates: distance, age, price and profile warmth, beside the sources' scores."""

from datetime import datetime

import numpy as np

from ml.arrays import Matrix, Rows
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.retrieval import nearby
from recommendations.taste.affinity import log_prices
from recommendations.taste.location import Location
from recommendations.taste.profile import UserProfile

DAY_S = 86_400


def context_features_of(
    snapshot: CatalogueSnapshot, profile: UserProfile, rows: Rows, *, now: datetime, location: Location | None
) -> Matrix:
    """The context features of rows: (n,) int -> (n, len(CONTEXT_FEATURES)) float32, NaN where unknown.

    In order: distance from the actor's location in km; age of the listing in days; price as the logarithm
    of 1 + pounds; its distance from the mean of what the actor touched; the weight of the actor's events,
    in views.
    """
    attributes = snapshot.attributes[rows]
    prices = log_prices(attributes["price_pence"])
    usual = float(profile.touched.prices @ profile.touched.shares) if len(profile.touched.shares) else np.nan
    facts = [
        nearby.distances(snapshot, location, rows),
        (now.timestamp() - attributes["created_at"]) / DAY_S,
        prices,
        np.abs(prices - usual),
        np.full(len(rows), profile.event_weight),
    ]
    return np.column_stack(facts).astype(np.float32)
