"""Immutable snapshot of the live catalogue. A request takes one and uses it until it has answered.

Rows never change: an edit marks the old row dead and appends a new one. The base is a generation on disk
(memory-mapped, indexed). Later rows form the tail. Full segments of the tail have an index of their own; its
last rows, the delta, are scanned.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from ml.arrays import Matrix, Rows, Vector
from ml.collaborative.content_prior import ContentPrior, ContentSmoother
from ml.encoder.blocks import Blocks, Comparison
from ml.vector_index import VectorIndex, build_index
from recommendations.collaborative.config import BlendBucket
from recommendations.collaborative.model import Collaborative
from recommendations.core.once import once
from recommendations.ranker.model import Ranker
from recommendations.replica.columns import NO_LISTING, Columns, PhotoRows, concatenate_columns
from recommendations.replica.photo_search import PhotoMatches, nearest_photos
from recommendations.replica.snapshot_base import SnapshotBase, search_rows

SEGMENT_ROWS = 512  # rows of a segment: scanning so many takes about 0.2 ms
SEED = 7
NEWEST_LOOKED_AT = 8  # times k
PHOTOS_PER_LISTING = 4  # photos retrieved for each wanted listing: several may belong to one listing


@dataclass(frozen=True)
class CatalogueSnapshot:
    """The catalogue, models and trending scores that a request reads. Rows of the base come first."""

    encoder_version: str
    comparison: Comparison  # how two vectors are compared; block levels are measured on the base
    seq: int  # the last change that is applied
    base: SnapshotBase
    tail: Columns
    attributes: np.ndarray  # (rows,) ATTRIBUTES, of base and tail
    alive: np.ndarray  # (rows,) bool
    trending: Vector  # (rows,) float32, 0 for a listing without recent interactions
    sealed: tuple[VectorIndex, ...] = ()  # segments: each over SEGMENT_ROWS rows of the tail, in order
    tail_row_of: dict[int, int] = field(default_factory=dict)  # listing id -> row
    collaborative: Collaborative | None = None
    # (rows,) int32: the item of the collaborative model, -1 where it has none
    items: Rows = field(default_factory=lambda: np.empty(0, np.int32))
    ranker: Ranker | None = None
    generation: int = 0

    @classmethod
    def load(
        cls,
        encoder_version: str,
        blocks: Blocks,
        columns: Columns,
        index: VectorIndex | None,
        seq: int,
        generation: int = 0,
        *,
        photo_index: VectorIndex | None = None,
    ) -> "CatalogueSnapshot":
        """A snapshot of the columns of a generation, with an empty tail."""
        return cls(
            encoder_version=encoder_version,
            comparison=Comparison.of(blocks, columns.vectors),
            seq=seq,
            base=SnapshotBase.of(columns, index, photo_index),
            tail=Columns.none(blocks),
            attributes=columns.attributes,
            alive=columns.attributes["listing_id"] != NO_LISTING,
            trending=np.zeros(len(columns), np.float32),
            items=np.full(len(columns), -1, np.int32),
            generation=generation,
        )

    @property
    def dimension(self) -> int:
        return self.comparison.blocks.dimension

    @property
    def row_count(self) -> int:
        return len(self.alive)

    @property
    def prior(self) -> ContentPrior | None:
        """The content prior of item factors, if the model was trained on vectors of this encoder."""
        model = self.collaborative
        return model.prior if model and model.encoder_version == self.encoder_version else None

    @property
    def smoother(self) -> ContentSmoother | None:
        """The content smoother of co-visitation scores, on the same condition."""
        model = self.collaborative
        return model.smoother if model and model.encoder_version == self.encoder_version else None

    @once
    def hottest(self) -> Rows:
        """The rows with a trending score, the highest first."""
        rows = np.flatnonzero(self.trending > 0)
        return rows[np.argsort(-self.trending[rows], kind="stable")]

    @property
    def blend(self) -> tuple[BlendBucket, ...]:
        """The source weights that were fitted with the model; empty when none were."""
        return self.collaborative.recipe.blend if self.collaborative else ()

    def rows_of(self, listing_ids: np.ndarray) -> Rows:
        """Rows of live listings: (m,) int64 -> (m,) int64, -1 for listings that are not live."""
        rows = self.base.positions.find(listing_ids)
        if self.tail_row_of:
            newer = np.array([self.tail_row_of.get(int(pk), -1) for pk in listing_ids], dtype=np.int64)
            rows = np.where(newer >= 0, newer, rows)
        return np.where((rows >= 0) & self.alive[rows], rows, -1) if self.row_count else rows

    def vectors(self, rows: Rows) -> Matrix:
        """Vectors of rows: (m,) -> (m, d) float16"""
        base_count = len(self.base.columns)
        out = np.empty((len(rows), self.dimension), np.float16)
        old = rows < base_count
        out[old] = self.base.columns.vectors[rows[old]]
        out[~old] = self.tail.vectors[rows[~old] - base_count]
        return out

    def columns(self) -> Columns:
        """All rows, for writing the next generation. Dead rows have the listing_id NO_LISTING."""
        attributes = self.attributes.copy()
        attributes["listing_id"][~self.alive] = NO_LISTING
        return replace(concatenate_columns(self.base.columns, self.tail), attributes=attributes)

    def photos_of(self, row: int) -> PhotoRows:
        """The photos of one row."""
        base_count = len(self.base.columns)
        inside = row < base_count
        photos = self.base.columns.photos if inside else self.tail.photos
        own = photos.of(row if inside else row - base_count)
        return PhotoRows(photos.ids[own], np.full(own.stop - own.start, row), photos.vectors[own])

    def nearest(
        self, query: Vector, k: int, allowed: np.ndarray, weights: Vector | None = None
    ) -> tuple[Rows, Vector]:
        """The k allowed rows most similar to a vector, best first: (<= k,) int64 and (<= k,) float32.

        query (d,) float32, unweighted; weights (3,) of the blocks, the comparison's own when None.
        Candidates come from the indexes; their exact scores come from the float16 vectors.
        """
        comparison = self.comparison if weights is None else replace(self.comparison, weights=weights)
        rows = np.unique(self.propose(comparison.queries(query), k, allowed))
        # Converted to float32 once: block by block, float16 takes seven times as long.
        scores = comparison.scores(query, self.vectors(rows).astype(np.float32))
        rows, scores = rows[~np.isnan(scores)], scores[~np.isnan(scores)]
        best = np.argsort(-scores, kind="stable")[:k]
        return rows[best], scores[best]

    def nearest_photos(
        self, photo: Vector, k: int, allowed: np.ndarray, weights: Vector | None = None
    ) -> PhotoMatches:
        """The k photos of allowed rows that are most similar to one, best first.

        photo (look + meaning,) float32, each block of unit length; allowed (rows,) bool, without dead rows;
        weights (2,) of look and meaning, those of the blocks when None.
        """
        blocks = self.comparison.blocks
        weights = np.array(blocks.photo_weights[:2], np.float32) if weights is None else weights
        scale = np.repeat(weights / weights.sum(), [blocks.look, blocks.meaning])
        base_count = len(self.base.columns)
        parts = [
            nearest_photos(
                self.base.columns.photos, self.base.photo_index, photo * scale, k, allowed[:base_count]
            ),
            nearest_photos(self.tail.photos, None, photo * scale, k, allowed[base_count:]).moved(base_count),
        ]
        return parts[0].concatenate(parts[1]).first(k)

    def nearest_by_photo(self, photo: Vector, k: int, allowed: np.ndarray) -> tuple[Rows, Vector]:
        """The k allowed rows with a photo most similar to one. A listing scores as its best photo does.

        Arguments as of `nearest_photos` -> (<= k,) int64 and (<= k,) float32, best first.
        """
        matches = self.nearest_photos(photo, PHOTOS_PER_LISTING * k, allowed)
        rows, first = np.unique(matches.rows, return_index=True)  # matches are sorted: the first is the best
        best = np.argsort(first)[:k]
        return rows[best], matches.scores[first[best]]

    def newest(self, k: int, allowed: np.ndarray) -> Rows:
        """The k allowed rows that were published last, unordered.   allowed (rows,) bool -> (<= k,) int64

        Searches the newest rows of the base and the whole tail. Falls back to all rows when too few of
        those are allowed.
        """
        start = self.base.newest_first[: NEWEST_LOOKED_AT * k]
        recent = start[allowed[start]]
        base_count = len(self.base.columns)
        if len(recent) >= k or len(start) == base_count:
            rows = np.concatenate([recent[:k], base_count + np.flatnonzero(allowed[base_count:])])
        else:
            rows = np.flatnonzero(allowed)
        created_at = self.attributes["created_at"][rows]
        return rows if len(rows) <= k else rows[np.argpartition(-created_at, k)[:k]]

    def propose(self, queries: Matrix, k: int, allowed: np.ndarray, *, compared: int | None = None) -> Rows:
        """About k allowed rows of highest inner product for each query, from every index and the delta.

        queries (q, d) float32; allowed (rows,) bool, without dead rows; compared: as of VectorIndex.search
        -> (m,) int64, unordered, repeated
        """
        if not len(queries):
            return np.empty(0, np.int64)
        candidates, start = [], 0
        for index in (self.base.index, *self.sealed):
            if index is not None:
                end = start + index.count
                candidates.append(search_rows(index, queries, k, allowed[start:end], compared) + start)
                start = end
        return np.concatenate([*candidates, self._scan_delta(queries, k, allowed, start)])

    def _scan_delta(self, queries: Matrix, k: int, allowed: np.ndarray, start: int) -> Rows:
        """The k best allowed rows of the delta, which begins at row `start`, for each query."""
        offsets = np.flatnonzero(allowed[start:])
        if len(offsets) > k:
            scores = queries @ self._delta[offsets].T  # (q, rows)
            offsets = offsets[np.argpartition(-scores, k, axis=1)[:, :k].ravel()]
        return start + offsets

    @once
    def _delta(self) -> Matrix:
        """Vectors of the rows that no index holds yet, converted once: (m, d) float32"""
        return self.tail.vectors[len(self.sealed) * SEGMENT_ROWS :].astype(np.float32)

    def with_changes(self, listing_ids: np.ndarray, live: Columns, seq: int) -> "CatalogueSnapshot":
        """The snapshot after a change of these listings.

        listing_ids (m,) int64, each once; live: the current rows of those that are still on the market;
        seq: the last of these changes.
        """
        old_rows = self.rows_of(listing_ids)
        is_new = self._differs(live)
        new_ids = live.attributes["listing_id"][is_new]
        unchanged = np.isin(listing_ids, live.attributes["listing_id"][~is_new])
        alive = self.alive.copy()
        alive[old_rows[(old_rows >= 0) & ~unchanged]] = False
        outdated = set(listing_ids[~unchanged].tolist())
        new_rows = range(self.row_count, self.row_count + len(new_ids))
        kept = {pk: row for pk, row in self.tail_row_of.items() if pk not in outdated}
        trending = np.append(self.trending, np.float32(0))[self.rows_of(new_ids)]  # row -1 takes the 0
        changed = replace(
            self,
            seq=seq,
            tail=concatenate_columns(self.tail, live.taken(is_new)),
            attributes=np.concatenate([self.attributes, live.attributes[is_new]]),
            alive=np.concatenate([alive, np.ones(len(new_ids), bool)]),
            trending=np.concatenate([self.trending, trending]),
            tail_row_of=kept | dict(zip(new_ids.tolist(), new_rows, strict=True)),
            items=np.concatenate([self.items, _items_of(self.collaborative, new_ids)]),
        )
        return changed._seal()

    def _differs(self, live: Columns) -> np.ndarray:
        """Which of these rows differ from the ones that the snapshot has of their listings: (n,) bool"""
        rows = self.rows_of(live.attributes["listing_id"])
        differs = np.ones(len(live), bool)
        known = np.flatnonzero(rows >= 0)
        same_vectors = (self.vectors(rows[known]) == live.vectors[known]).all(axis=1)
        same_attributes = [self._has_same_attributes(int(rows[i]), live, int(i)) for i in known]
        differs[known] = ~(same_vectors & np.array(same_attributes, dtype=bool))
        return differs

    def _has_same_attributes(self, row: int, live: Columns, live_row: int) -> bool:
        """Whether a row of the snapshot and one of `live` have equal photos and attributes."""
        same_photos = np.array_equal(self.photos_of(row).ids, live.photos.ids[live.photos.of(live_row)])
        return same_photos and self.attributes[row].tobytes() == live.attributes[live_row].tobytes()

    def _seal(self) -> "CatalogueSnapshot":
        """The snapshot with an index over each full segment of its delta."""
        start = len(self.sealed) * SEGMENT_ROWS
        if len(self.tail) - start < SEGMENT_ROWS:
            return self
        rows = self.tail.vectors[start : start + SEGMENT_ROWS]
        index = build_index(rows, seed=SEED, exact_rows=SEGMENT_ROWS)
        return replace(self, sealed=(*self.sealed, index))._seal()

    def with_collaborative(self, model: Collaborative | None) -> "CatalogueSnapshot":
        """The snapshot with another collaborative model, whose items are aligned with the rows."""
        return replace(self, collaborative=model, items=_items_of(model, self.attributes["listing_id"]))

    def with_ranker(self, ranker: Ranker | None) -> "CatalogueSnapshot":
        """The snapshot with another learned ranker."""
        return replace(self, ranker=ranker)

    def with_trending(self, listing_ids: np.ndarray, scores: Vector) -> "CatalogueSnapshot":
        """The snapshot with the current trending scores: listing_ids (m,) int64, scores (m,) float32."""
        trending = np.zeros(self.row_count, np.float32)
        rows = self.rows_of(listing_ids)
        trending[rows[rows >= 0]] = scores[rows >= 0]
        return replace(self, trending=trending)


def _items_of(model: Collaborative | None, listing_ids: np.ndarray) -> Rows:
    if model is None:
        return np.full(len(listing_ids), -1, np.int32)
    return model.items_of(listing_ids).astype(np.int32)
