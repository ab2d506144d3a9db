"""What a view was loaded from: the rows of a generation, which never change."""

from dataclasses import dataclass

import numpy as np

from ml.arrays import Rows
from ml.vector_index import VectorIndex
from recommendations.columns import Columns, Positions


@dataclass(frozen=True)
class Base:
    """The rows that were there when the view was loaded, and where each listing stands among them."""

    columns: Columns
    index: VectorIndex | None
    positions: Positions  # of listings among the rows
    newest_first: Rows  # (n,) int32: the rows by when they were published, so that no request sorts them
    photo_index: VectorIndex | None = None  # over the photos of the rows

    @classmethod
    def of(cls, columns: Columns, index: VectorIndex | None, photo_index: VectorIndex | None) -> "Base":
        newest_first = np.argsort(-columns.attributes["created_at"], kind="stable").astype(np.int32)
        positions = Positions.of(columns.attributes["listing_id"])
        return cls(columns, index, positions, newest_first, photo_index)
