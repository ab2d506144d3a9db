"""The photos most like one, among those of some rows."""

from dataclasses import dataclass

import numpy as np

from ml.arrays import Rows, Vector, pack_mask
from ml.vector_index import VectorIndex
from recommendations.columns import PhotoRows


@dataclass(frozen=True)
class PhotoMatches:
    """Photos with their rows and how alike each is: ids (m,) int64, rows (m,) int64, scores (m,) float32."""

    ids: np.ndarray
    rows: Rows
    scores: Vector

    def moved(self, offset: int) -> "PhotoMatches":
        """The same photos, of rows that lie further on."""
        return PhotoMatches(self.ids, self.rows + offset, self.scores)

    def and_then(self, other: "PhotoMatches") -> "PhotoMatches":
        """Those of both."""
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

    query (d,) float32; allowed (rows,) bool. The index, over all of these photos, proposes; without one all
    are compared.
    """
    shown = allowed[photos.owners]
    if index is not None and k < len(photos):
        places, _ = index.search(query[None, :], k, pack_mask(shown))
        chosen = places[0][places[0] >= 0].astype(np.int64)
    else:
        chosen = np.flatnonzero(shown)
    scores = photos.vectors[chosen].astype(np.float32) @ query
    return PhotoMatches(photos.ids[chosen], photos.owners[chosen], scores).first(k)
