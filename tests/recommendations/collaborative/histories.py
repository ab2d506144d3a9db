"""Interaction histories made up of a few actors and listings."""

from datetime import UTC, datetime

import numpy as np

from recommendations.collaborative.history import InteractionHistory

MOMENT = datetime(2026, 3, 14, tzinfo=UTC)


def history_of(*touched: tuple[int, list[int]], until: datetime = MOMENT) -> InteractionHistory:
    """Actors by their ids, each with the listings in the order in which they touched them."""
    actor_ids = np.array([actor for actor, listings in touched for _ in listings], np.int64)
    listing_ids = np.array([listing for _, listings in touched for listing in listings], np.int64)
    weights = np.ones(len(actor_ids), np.float32)
    return InteractionHistory(actor_ids, listing_ids, weights, 2 * weights, len(actor_ids), until)
