"""Listings like a given one."""

from enum import StrEnum

import numpy as np

from listings.models import Listing
from ml.arrays import Matrix, Rows, Vector
from ml.blocks import WORDS_ONLY
from recommendations import copies, replica
from recommendations.filters import Filters, allowed_rows
from recommendations.pages import Item, Page
from recommendations.taste import photo_vectors_of, vectors_of
from recommendations.view import View


class By(StrEnum):
    PHOTO = "photo"
    TEXT = "text"
    BOTH = "both"


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
    rows, scores = _nearest(by, listing, vectors[0].astype(np.float32), limit + SPARE, allowed, view)
    ids = view.attributes["listing_id"][rows].tolist()
    score_of = dict(zip(ids, scores.tolist(), strict=True))

    def item_of(found: Listing) -> Item:
        return Item(found, score_of[found.pk], {"content": round(score_of[found.pk], 4)})

    return Page(copies.first_grouped(ids, limit, item_of, view))


def _nearest(
    by: By, listing: Listing, vector: Vector, k: int, allowed: np.ndarray, view: View
) -> tuple[Rows, Vector]:
    """The k allowed rows most like the listing, best first, and how alike they are."""
    if by == By.PHOTO:
        return _by_photos(photo_vectors_of(listing.pk, view), k, allowed, view)
    return view.nearest(vector, k, allowed, WORDS_ONLY if by == By.TEXT else None)


def _by_photos(photos: Matrix, k: int, allowed: np.ndarray, view: View) -> tuple[Rows, Vector]:
    """Rows with a photo like one of these: of all pairs the best speaks.   photos (m, look + meaning)"""
    found = [view.nearest_by_photo(photo, k, allowed) for photo in photos.astype(np.float32)]
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    rows, scores = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.argsort(-scores, kind="stable")
    rows, first = np.unique(rows[order], return_index=True)
    best = np.argsort(first)[:k]
    return rows[best], scores[order][first[best]]
