"""The live catalogue as one immutable value: a request takes it once and uses it to the end.

Rows never change: an edit is a tombstone and a new row. The base is a generation (memory-mapped, indexed);
what came after lies in the tail, of which the older part is sealed in an index and the delta is scanned.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ml.arrays import Matrix, Rows, Vector, pack_mask
from ml.blocks import Blocks, Comparison
from ml.content_prior import ContentPrior, ContentSmoother
from ml.vector_index import VectorIndex, build_index
from recommendations.collaborative import Collaborative
from recommendations.columns import ATTRIBUTES, NO_LISTING, Columns, PhotoRows, joined
from recommendations.photo_search import PhotoMatches, nearest_photos
from recommendations.recipe import Warmth
from recommendations.served_ranker import Ranker
from recommendations.view_base import Base

SEALED_AT = 512  # a delta of so many rows is sealed: scanning it takes about 0.2 ms by then
SEED = 7
NEWEST_LOOKED_AT = 8  # times as many as are asked for
PHOTOS_PER_LISTING = 4  # looked at for each listing that is asked for: several photos may be of one listing


@dataclass(frozen=True)
class View:
    """All that serving knows. `rows` count base rows first, then tail rows."""

    encoder_version: str
    comparison: Comparison  # how two vectors are compared, levels measured on the base
    seq: int  # the last change that it reflects
    base: Base
    tail: Columns
    attributes: np.ndarray  # (rows,) ATTRIBUTES, of base and tail
    alive: np.ndarray  # (rows,) bool
    trending: Vector  # (rows,) float32, 0 where nothing happens
    sealed: tuple[VectorIndex, ...] = ()  # each over SEALED_AT rows of the tail, from its first row on
    tail_row_of: dict[int, int] = field(default_factory=dict)  # listing id -> row
    collaborative: Collaborative | None = None
    # (rows,) item of the model, -1 unknown
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
    ) -> "View":
        """A view of sealed columns, with nothing in its tail."""
        tail = Columns(
            np.empty(0, ATTRIBUTES),
            np.empty((0, blocks.dimension), np.float16),
            PhotoRows.none(blocks.photo_dimension),
        )
        return cls(
            encoder_version=encoder_version,
            comparison=Comparison.of(blocks, columns.vectors),
            seq=seq,
            base=Base.of(columns, index, photo_index),
            tail=tail,
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
        """What content says of factors, if the model has it for the vectors of this view."""
        model = self.collaborative
        return model.prior if model and model.encoder_version == self.encoder_version else None

    @property
    def smoother(self) -> ContentSmoother | None:
        """The same of co-visitation scores."""
        model = self.collaborative
        return model.smoother if model and model.encoder_version == self.encoder_version else None

    @property
    def blend(self) -> tuple[Warmth, ...]:
        """How the sources weigh, as fitted with the model; empty when they were not."""
        return self.collaborative.recipe.blend if self.collaborative else ()

    def rows_of(self, listing_ids: np.ndarray) -> Rows:
        """Rows of live listings: (m,) int64 -> (m,) int64, -1 for those that are not live."""
        rows = self.base.positions.find(listing_ids)
        if self.tail_row_of:
            newer = np.array([self.tail_row_of.get(int(pk), -1) for pk in listing_ids], dtype=np.int64)
            rows = np.where(newer >= 0, newer, rows)
        return np.where((rows >= 0) & self.alive[rows], rows, -1) if self.row_count else rows

    def vectors(self, rows: Rows) -> Matrix:
        """(m,) -> (m, d) float16"""
        base_count = len(self.base.columns)
        out = np.empty((len(rows), self.dimension), np.float16)
        old = rows < base_count
        out[old] = self.base.columns.vectors[rows[old]]
        out[~old] = self.tail.vectors[rows[~old] - base_count]
        return out

    def columns(self) -> Columns:
        """All rows; dead ones bear NO_LISTING. For writing the next generation."""
        attributes = self.attributes.copy()
        attributes["listing_id"][~self.alive] = NO_LISTING
        return replace(joined(self.base.columns, self.tail), attributes=attributes)

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
        The index proposes, the float16 vectors decide.
        """
        comparison = self.comparison if weights is None else replace(self.comparison, weights=weights)
        found = [self.propose(asked, k, allowed) for asked in comparison.queries(query)]
        rows = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
        # Widened once: block by block, float16 takes seven times as long.
        scores = comparison.scores(query, self.vectors(rows).astype(np.float32))
        rows, scores = rows[~np.isnan(scores)], scores[~np.isnan(scores)]
        best = np.argsort(-scores, kind="stable")[:k]
        return rows[best], scores[best]

    def nearest_photos(
        self, photo: Vector, k: int, allowed: np.ndarray, weights: Vector | None = None
    ) -> PhotoMatches:
        """The k photos most like one, of allowed rows, best first.

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
        return parts[0].and_then(parts[1]).first(k)

    def nearest_by_photo(self, photo: Vector, k: int, allowed: np.ndarray) -> tuple[Rows, Vector]:
        """The k allowed rows that show a photo most like one: the best photo speaks for its listing.

        As `nearest_photos` -> (<= k,) int64 and (<= k,) float32, best first.
        """
        found = self.nearest_photos(photo, PHOTOS_PER_LISTING * k, allowed)
        rows, first = np.unique(found.rows, return_index=True)  # the best of each comes first
        best = np.argsort(first)[:k]
        return rows[best], found.scores[first[best]]

    def newest(self, k: int, allowed: np.ndarray) -> Rows:
        """The k allowed rows that were published last, unordered.   allowed (rows,) bool -> (<= k,) int64

        Among the newest of the base and all of the tail; only when few of them are allowed, among all rows.
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

    def propose(self, query: Vector, k: int, allowed: np.ndarray) -> Rows:
        """About k rows of highest inner product among the allowed.

        query (d,) float32; allowed (rows,) bool, without dead rows -> (m,) int64, unordered
        """
        found, start = [], 0
        for index in (self.base.index, *self.sealed):
            if index is not None:
                end = start + index.count
                found.append(_search(index, query, k, allowed[start:end]) + start)
                start = end
        return np.concatenate([*found, self._scan_delta(query, k, allowed, start)])

    def _scan_delta(self, query: Vector, k: int, allowed: np.ndarray, start: int) -> Rows:
        places = np.flatnonzero(allowed[start:])
        if len(places) > k:
            scores = self._delta @ query
            places = places[np.argpartition(-scores[places], k)[:k]]
        return start + places

    @cached_property
    def _delta(self) -> Matrix:
        """Vectors of the rows that no index holds yet, widened once a view: (m, d) float32"""
        return self.tail.vectors[len(self.sealed) * SEALED_AT :].astype(np.float32)

    def with_changes(self, listing_ids: np.ndarray, live: Columns, seq: int) -> "View":
        """The view after these listings changed; `live` is what they are now, without those that went.

        listing_ids (m,) int64, each once.
        """
        before = self.rows_of(listing_ids)
        fresh = self._really_new(live)
        fresh_ids = live.attributes["listing_id"][fresh]
        unchanged = np.isin(listing_ids, live.attributes["listing_id"][~fresh])
        alive = self.alive.copy()
        alive[before[(before >= 0) & ~unchanged]] = False
        gone = set(listing_ids[~unchanged].tolist())
        numbers = range(self.row_count, self.row_count + len(fresh_ids))
        kept = {pk: row for pk, row in self.tail_row_of.items() if pk not in gone}
        old_row = dict(zip(listing_ids.tolist(), before.tolist(), strict=True))
        heat = [self.trending[old_row[pk]] if old_row.get(pk, -1) >= 0 else 0 for pk in fresh_ids.tolist()]
        grown = replace(
            self,
            seq=seq,
            tail=joined(self.tail, live.taken(fresh)),
            attributes=np.concatenate([self.attributes, live.attributes[fresh]]),
            alive=np.concatenate([alive, np.ones(len(fresh_ids), bool)]),
            trending=np.concatenate([self.trending, np.array(heat, np.float32)]),
            tail_row_of=kept | dict(zip(fresh_ids.tolist(), numbers, strict=True)),
            items=np.concatenate([self.items, _items_of(self.collaborative, fresh_ids)]),
        )
        return grown._seal()

    def _really_new(self, live: Columns) -> np.ndarray:
        """(n,) bool: which of these rows differ from what the view holds of their listings."""
        rows = self.rows_of(live.attributes["listing_id"])
        fresh = np.ones(len(live), bool)
        known = np.flatnonzero(rows >= 0)
        same_vectors = (self.vectors(rows[known]) == live.vectors[known]).all(axis=1)
        same_rest = [self._says_the_same(int(rows[i]), live, int(i)) for i in known]
        fresh[known] = ~(same_vectors & np.array(same_rest, dtype=bool))
        return fresh

    def _says_the_same(self, row: int, live: Columns, other: int) -> bool:
        same_photos = np.array_equal(self.photos_of(row).ids, live.photos.ids[live.photos.of(other)])
        return same_photos and self.attributes[row].tobytes() == live.attributes[other].tobytes()

    def _seal(self) -> "View":
        """The view with its delta in an index of its own, once the delta is long."""
        start = len(self.sealed) * SEALED_AT
        if len(self.tail) - start < SEALED_AT:
            return self
        rows = self.tail.vectors[start : start + SEALED_AT]
        index = build_index(rows, seed=SEED, exact_rows=SEALED_AT)
        return replace(self, sealed=(*self.sealed, index))._seal()

    def with_collaborative(self, model: Collaborative | None) -> "View":
        """The view beside another collaborative model, its items aligned with the rows."""
        return replace(self, collaborative=model, items=_items_of(model, self.attributes["listing_id"]))

    def with_ranker(self, ranker: Ranker | None) -> "View":
        """The view beside another learned ranker."""
        return replace(self, ranker=ranker)

    def with_trending(self, listing_ids: np.ndarray, scores: Vector) -> "View":
        """The view with what is trending now: listing_ids (m,) int64, scores (m,) float32."""
        trending = np.zeros(self.row_count, np.float32)
        rows = self.rows_of(listing_ids)
        trending[rows[rows >= 0]] = scores[rows >= 0]
        return replace(self, trending=trending)


def _search(index: VectorIndex, query: Vector, k: int, allowed: np.ndarray) -> Rows:
    rows, _ = index.search(query[None, :], min(k, index.count), pack_mask(allowed))
    return rows[0][rows[0] >= 0].astype(np.int64)


def _items_of(model: Collaborative | None, listing_ids: np.ndarray) -> Rows:
    if model is None:
        return np.full(len(listing_ids), -1, np.int32)
    return model.items_of(listing_ids).astype(np.int32)
