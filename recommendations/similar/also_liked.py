"""Listings that people went on to from a given one, by co-visitation."""

import numpy as np

from listings import queries
from listings.models import Listing
from recommendations.replica import follower
from recommendations.retrieval.filters import Filters, allowed_rows
from recommendations.slates.results import Item, Page

SPARE_CANDIDATES = 20  # beyond the limit: some were sold a moment ago


def find_also_liked(*, listing: Listing, limit: int) -> Page:
    """What actors who touched this listing touched too, the strongest first.

    Empty for a listing that nobody touched before the model was trained. Raises ReplicaNotReady.
    """
    snapshot = follower.snapshot()
    model = snapshot.collaborative
    if model is None:
        return Page([], degraded=["collaborative"])
    item = model.items_of(np.array([listing.pk]))
    if item[0] < 0:
        return Page([])
    by_item = model.covisited(item, np.ones(1, np.float32))  # (n,)
    allowed = allowed_rows(snapshot, Filters(), excluded_listings=frozenset({listing.pk}))
    rows = np.flatnonzero(allowed & (snapshot.items >= 0))
    scores = by_item[snapshot.items[rows]]
    best = np.argsort(-scores, kind="stable")[: limit + SPARE_CANDIDATES]
    best = best[scores[best] > 0]
    ids = snapshot.attributes["listing_id"][rows[best]].tolist()
    score_of = dict(zip(ids, scores[best].tolist(), strict=True))
    return Page(
        [
            Item(shown, score_of[shown.pk], {"covisitation": round(score_of[shown.pk], 4)})
            for shown in queries.first_visible(ids, limit)
        ]
    )
