"""Immutable base of a catalogue snapshot: the rows of the generation that it was loaded from."""

from dataclasses import dataclass

import numpy as np

from ml.arrays import Matrix, Rows, pack_mask
from ml.positions import Positions
from ml.vector_index import VectorIndex
from recommendations.replica.columns import Columns


@dataclass(frozen=True)
class SnapshotBase:
    """The rows of a generation, their indexes, and the row of each listing."""

    columns: Columns
    index: VectorIndex | None
    positions: Positions  # listing id -> row
    newest_first: Rows  # (n,) int32: rows by publication, sorted once for all requests
    photo_index: VectorIndex | None = None  # over the photos of the rows

    @classmethod
    def of(
        cls, columns: Columns, index: VectorIndex | None, photo_index: VectorIndex | None
    ) -> "SnapshotBase":
        newest_first = np.argsort(-columns.attributes["created_at"], kind="stable").astype(np.int32)
        positions = Positions.of(columns.attributes["listing_id"])
        return cls(columns, index, positions, newest_first, photo_index)


def search_rows(
    index: VectorIndex, queries: Matrix, k: int, allowed: np.ndarray, compared: int | None
) -> Rows:
    """The k allowed rows (rows,) bool of an index for each of the queries (q, d), with repetitions."""
    rows, _ = index.search(queries, min(k, index.count), pack_mask(allowed), compared=compared)
    return rows[rows >= 0].astype(np.int64)
