"""Listings that people went on to from a given one, by co-visitation."""

import numpy as np

from listings import queries
from listings.models import Listing
from recommendations.replica import follower
from recommendations.slates.results import Item, Page


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
    neighbours, weights = model.neighbours.of(int(item[0]))
    listing_ids = model.listing_ids[neighbours]
    rows = snapshot.rows_of(listing_ids)
    score_of = {
        pk: weight
        for pk, weight, row in zip(listing_ids.tolist(), weights.tolist(), rows.tolist(), strict=True)
        if row >= 0 and snapshot.alive[row]
    }
    return Page(
        [
            Item(shown, score_of[shown.pk], {"covisitation": round(score_of[shown.pk], 4)})
            for shown in queries.first_visible(list(score_of), limit)
        ]
    )
