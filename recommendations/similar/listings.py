"""Listings similar to a given one."""

from enum import StrEnum

import numpy as np

from listings.models import Listing
from ml.arrays import Matrix, Rows, Vector
from ml.encoder.blocks import WORDS_ONLY
from recommendations.ranking import photo_duplicates
from recommendations.replica import follower
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.retrieval.filters import Filters, allowed_rows
from recommendations.slates.results import Item, Page
from recommendations.taste.profile import photo_vectors_of, vectors_of


class SimilarityBasis(StrEnum):
    """The parts of two listings that are compared."""

    PHOTO = "photo"
    TEXT = "text"
    BOTH = "both"


SPARE_CANDIDATES = 40  # candidates beyond the limit: some were sold a moment ago, some are folded as copies


def find_similar(*, listing: Listing, by: SimilarityBasis, filters: Filters, limit: int) -> Page:
    """The most similar listings by photos, words or both, best first, without the listing itself.

    Listings that show the same photo are folded into one item. The page is empty, and degraded, for a
    listing without a vector; by photo it is empty for a listing without photos.
    Raises ReplicaNotReady, NoSuchCategory.
    """
    snapshot = follower.snapshot()
    vectors, known = vectors_of(np.array([listing.pk]), snapshot)
    if not known[0]:
        return Page([], degraded=["not_embedded_yet"])
    allowed = allowed_rows(snapshot, filters, excluded_listings=frozenset({listing.pk}))
    rows, scores = _nearest(
        by, listing, vectors[0].astype(np.float32), limit + SPARE_CANDIDATES, allowed, snapshot
    )
    ids = snapshot.attributes["listing_id"][rows].tolist()
    score_of = dict(zip(ids, scores.tolist(), strict=True))

    def item_of(similar: Listing) -> Item:
        return Item(similar, score_of[similar.pk], {"content": round(score_of[similar.pk], 4)})

    return Page(photo_duplicates.first_folded(ids, limit, item_of, snapshot))


def _nearest(
    by: SimilarityBasis,
    listing: Listing,
    vector: Vector,
    k: int,
    allowed: np.ndarray,
    snapshot: CatalogueSnapshot,
) -> tuple[Rows, Vector]:
    """The k allowed rows most similar to the listing, best first, and their similarities."""
    if by == SimilarityBasis.PHOTO:
        return _by_photos(photo_vectors_of(listing.pk, snapshot), k, allowed, snapshot)
    return snapshot.nearest(vector, k, allowed, WORDS_ONLY if by == SimilarityBasis.TEXT else None)


def _by_photos(
    photos: Matrix, k: int, allowed: np.ndarray, snapshot: CatalogueSnapshot
) -> tuple[Rows, Vector]:
    """The k allowed rows with a photo similar to one of these, by their best pair of photos.

    photos (m, look + meaning) -> (<= k,) int64 and (<= k,) float32, best first
    """
    by_photo = [snapshot.nearest_by_photo(photo, k, allowed) for photo in photos.astype(np.float32)]
    if not by_photo:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    rows, scores = (np.concatenate(part) for part in zip(*by_photo, strict=True))
    order = np.argsort(-scores, kind="stable")
    rows, first = np.unique(rows[order], return_index=True)
    best = np.argsort(first)[:k]
    return rows[best], scores[order][first[best]]
