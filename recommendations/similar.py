"""Listings like a given one."""

from enum import StrEnum

import numpy as np

from listings.models import Listing
from ml.arrays import Vector
from ml.blocks import DEFAULT_WEIGHTS, WORDS_ONLY
from recommendations import copies, replica
from recommendations.feed import Item, Page
from recommendations.filters import Filters, allowed_rows
from recommendations.taste import vectors_of


class By(StrEnum):
    PHOTO = "photo"
    TEXT = "text"
    BOTH = "both"


WEIGHTS: dict[By, Vector] = {
    By.PHOTO: DEFAULT_WEIGHTS * (1 - WORDS_ONLY),
    By.TEXT: WORDS_ONLY,
    By.BOTH: DEFAULT_WEIGHTS,
}
SPARE = 40  # proposed beyond the limit, for those that were sold a moment ago or are folded as copies


def find_similar(*, listing: Listing, by: By, filters: Filters, limit: int) -> Page:
    """The most similar listings by photos, words or both, the listing itself left out.

    Listings that show the same photo are one item, those that show the asked listing's too.
    Nothing is similar to a listing that has no vector yet, or by photo to one without photos.
    Raises NotReady, NoSuchCategory.
    """
    view = replica.view()
    vectors, known = vectors_of(np.array([listing.pk]), view)
    if not known[0]:
        return Page([], degraded=["not_embedded_yet"])
    allowed = allowed_rows(view, filters, without=frozenset({listing.pk}))
    query = vectors[0].astype(np.float32)
    rows, scores = view.nearest(query, limit + SPARE, allowed, WEIGHTS[by])
    ids = view.attributes["listing_id"][rows].tolist()
    score_of = dict(zip(ids, scores.tolist(), strict=True))

    def item_of(found: Listing) -> Item:
        return Item(found, score_of[found.pk], {"content": round(score_of[found.pk], 4)})

    return Page(copies.first_grouped(ids, limit, item_of, view))
