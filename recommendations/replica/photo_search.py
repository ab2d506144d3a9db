"""Nearest photos among those of some rows."""

from dataclasses import dataclass

import numpy as np

from ml.arrays import Rows, Vector, pack_mask
from ml.vector_index import VectorIndex
from recommendations.replica.columns import PhotoRows


@dataclass(frozen=True)
class PhotoMatches:
    """Photos, their rows and their similarities: ids (m,) int64, rows (m,) int64, scores (m,) float32."""

    ids: np.ndarray
    rows: Rows
    scores: Vector

    def moved(self, offset: int) -> "PhotoMatches":
        """The same photos with row numbers that are greater by `offset`."""
        return PhotoMatches(self.ids, self.rows + offset, self.scores)

    def concatenate(self, other: "PhotoMatches") -> "PhotoMatches":
        """The photos of both."""
        pairs = ((self.ids, other.ids), (self.rows, other.rows), (self.scores, other.scores))
        return PhotoMatches(*(np.concatenate(pair) for pair in pairs))

    def first(self, k: int) -> "PhotoMatches":
        """The k best, best first."""
        best = np.argsort(-self.scores, kind="stable")[:k]
        return PhotoMatches(self.ids[best], self.rows[best], self.scores[best])


def nearest_photos(
    photos: PhotoRows, index: VectorIndex | None, query: Vector, k: int, allowed: np.ndarray
) -> PhotoMatches:
    """About k photos of highest inner product among those of allowed rows, unordered.

    query (d,) float32; allowed (rows,) bool; index: over all of these photos. Without one all photos are
    compared.
    """
    is_allowed = allowed[photos.owners]
    if index is not None and k < len(photos):
        positions, _ = index.search(query[None, :], k, pack_mask(is_allowed))
        chosen = positions[0][positions[0] >= 0].astype(np.int64)
    else:
        chosen = np.flatnonzero(is_allowed)
    scores = photos.vectors[chosen].astype(np.float32) @ query
    return PhotoMatches(photos.ids[chosen], photos.owners[chosen], scores).first(k)
