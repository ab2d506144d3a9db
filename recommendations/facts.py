"""What is plainly so about a candidate and whoever asks, beside what the sources think of it."""

from datetime import datetime

import numpy as np

from ml.arrays import Matrix, Rows
from recommendations import nearby
from recommendations.affinity import log_prices
from recommendations.habits import Here
from recommendations.taste import Taste
from recommendations.view import View

FACTS = ("distance_km", "age_days", "log_price", "price_gap", "warmth")
DAY_S = 86_400


def facts_of(view: View, taste: Taste, rows: Rows, *, now: datetime, here: Here | None) -> Matrix:
    """rows (n,) int -> (n, len(FACTS)) float32, NaN where unknown.

    Distance from where somebody is or looks; age of the listing; price as the logarithm of 1 + pounds, and
    how far that lies from what they usually touch; how much is known of them, in views.
    """
    attributes = view.attributes[rows]
    prices = log_prices(attributes["price_pence"])
    usual = float(taste.touched.prices @ taste.touched.shares) if len(taste.touched.shares) else np.nan
    facts = [
        nearby.distances(view, here, rows),
        (now.timestamp() - attributes["created_at"]) / DAY_S,
        prices,
        np.abs(prices - usual),
        np.full(len(rows), taste.event_weight),
    ]
    return np.column_stack(facts).astype(np.float32)
