"""Nearest neighbour search by inner product (FAISS), under row numbers that never change.

Rows can be added but not removed; a bitmap excludes rows from a search. `build_index` chooses the kind by
size: exact search up to EXACT_ROWS, inverted lists (IVF) beyond. Codes are float16, accurate enough to
propose candidates, which the caller rescores. A filtered search of an IVF index visits lists until it has k
allowed rows and further lists change little.
"""

import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from ml.arrays import Bitmap, Matrix, Rows, ShapeError, Vector, require_matrix, require_vector
from ml.faiss_searches import Selector, selector_of, visit, visiting

EXACT_ROWS = 20_000  # about 0.6 ms a query at 512 dimensions on one thread
RECALL, RECALL_AT, RECALL_SAMPLE = 0.97, 200, 100  # target recall@200 of an IVF index, on so many queries
LEAST_RECALL = 0.9  # below it a grown index is outgrown; the room is for chance and for rows hard to find
SETTLED = 0.02  # a filtered search ends once the lists visited last brought no more of the best RECALL_AT
MOST, HALF = 0.9, 0.5  # share of rows that a filter allows, for which no other lists are visited than without
TRAINING_ROWS_PER_LIST = 256  # FAISS's default; more do not improve the centroids
CHUNK_ROWS = 65_536  # that are converted to float32 at a time
FLOAT16, INNER_PRODUCT = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT


class IndexFileError(ValueError):
    """A file is not an index that this module wrote, or is incomplete."""


class IndexIsReadOnly(RuntimeError):
    """The index is a memory-mapped file. To add rows, load it with share=False."""


class VectorIndex(ABC):
    """The interface of an index. Searching is thread-safe, adding is not."""

    def __init__(self, native: Any, *, shared: bool = False) -> None:
        self._native, self._shared = native, shared

    @property
    def count(self) -> int:
        return self._native.ntotal

    @property
    def dimension(self) -> int:
        return self._native.d

    @abstractmethod
    def is_outgrown(self, *samples: Matrix) -> bool:
        """Whether rows were added of such number or kind that a rebuild would be faster or more accurate.

        samples: each (q, d) float32, queries for which recall has to be good, such as some like the rows that
        were added. They are also searched exactly, which takes time.
        """

    @abstractmethod
    def _search(
        self, queries: Matrix, k: int, allowed: Bitmap | None, compared: int | None
    ) -> tuple[Matrix, np.ndarray]:
        """Scores (q, k) float32 and rows (q, k) int64, -1 where there are no more."""

    def search(
        self, queries: Matrix, k: int, allowed: Bitmap | None = None, *, compared: int | None = None
    ) -> tuple[Rows, Matrix]:
        """The k allowed rows of greatest inner product for each query, best first.

        queries (q, d) float32; allowed: a bitmap by `pack_mask`, rows past its end are not; None allows all.
        compared: about how many allowed rows a query is compared with; None: as many as it takes for RECALL.
        Returns rows (q, k) int32, padded with -1, and scores (q, k) float32, padded with -inf.
        """
        require_matrix(queries, columns=self.dimension, dtypes=[np.float32])
        if k < 1:
            raise ShapeError(f"expected k of 1 or more, found {k}")
        if allowed is not None:
            require_vector(allowed, dtypes=[np.uint8])
            allowed = np.ascontiguousarray(allowed)
        scores, rows = self._search(np.ascontiguousarray(queries), k, allowed, compared)
        return rows.astype(np.int32), np.where(rows < 0, np.float32(-np.inf), scores)

    def add(self, vectors: Matrix) -> None:
        """Append vectors (n, d) float16 or float32 as the next n rows.   Raises IndexIsReadOnly."""
        require_matrix(vectors, columns=self.dimension, dtypes=[np.float16, np.float32])
        if self._shared:  # FAISS does not raise here, it ends the process
            raise IndexIsReadOnly("rows cannot be added to an index loaded with share=True; use share=False")
        for first in range(0, len(vectors), CHUNK_ROWS):
            self._native.add(_float32(vectors[first : first + CHUNK_ROWS]))

    def save(self, path: Path) -> None:
        """Write the index to a file. The caller passes a temporary path, syncs and renames it."""
        faiss.write_index(self._native, str(path))


class ExactIndex(VectorIndex):
    """An index that compares every row with the query."""

    def is_outgrown(self, *samples: Matrix) -> bool:
        return self.count > 1.25 * EXACT_ROWS  # above the threshold, since a rebuild costs more than slack

    def _search(
        self, queries: Matrix, k: int, allowed: Bitmap | None, compared: int | None
    ) -> tuple[Matrix, np.ndarray]:
        parameters = faiss.SearchParameters(sel=selector_of(allowed))  # type: ignore[call-arg]
        return self._native.search(queries, k, params=parameters)


class IvfIndex(VectorIndex):
    """An index that compares only the lists nearest to the query; their number was tuned by the build.

    The number is for a search of all rows. What a filter keeps may lie far from the query, among lists whose
    order says little, so a filtered search goes on until its best rows have settled.
    """

    _list_of_row: np.ndarray | None = None  # (count,) int32, built by the first filtered search

    def is_outgrown(self, *samples: Matrix) -> bool:
        if list_count(self.count) > 2 * self._native.nlist:  # about four times the rows since the build
            return True
        return any(len(queries) and self._recall(queries) < LEAST_RECALL for queries in samples)

    def _recall(self, queries: Matrix) -> float:
        k = min(RECALL_AT, self.count)
        truth = visit(self._native, queries, k, self._native.nlist)
        return _recall(visit(self._native, queries, k, self._native.nprobe), truth)

    def _search(
        self, queries: Matrix, k: int, allowed: Bitmap | None, compared: int | None
    ) -> tuple[Matrix, np.ndarray]:
        count = self.count if allowed is None else int(np.bitwise_count(allowed).sum())
        if count >= (MOST if compared is None else HALF) * self.count:
            parameters = visiting(self._probes(compared, count), selector_of(allowed))
            found = self._native.search(queries, k, params=parameters)
            if allowed is None or (found[1] >= 0).all():
                return found
        assert allowed is not None
        counts = self._allowed_of_lists(allowed)
        scores, rows = np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1)
        for at in range(len(queries)):
            best = self._search_allowed(queries[at : at + 1], k, counts, selector_of(allowed), compared)
            scores[at, : len(best[0])], rows[at, : len(best[0])] = best
        return scores, rows

    def _probes(self, compared: int | None, allowed_count: int) -> int:
        """The number of lists for a search of rows that are spread over all lists alike."""
        if compared is None or not allowed_count:
            return self._native.nprobe
        rows = min(compared, self._native.nprobe / self._native.nlist * self.count)
        return math.ceil(rows / allowed_count * self._native.nlist)

    def _search_allowed(
        self, query: Matrix, k: int, counts: Rows, selector: Selector, compared: int | None
    ) -> tuple[Vector, np.ndarray]:
        """The best k allowed rows of one query (1, d), with their scores: (<= k,) float32 and int64

        counts (nlist,): the allowed rows in each list. Lists are visited in order of their centroids, those
        without an allowed row left out: first as many as hold half the rows that the tuned number of lists
        holds, then as many again as were visited, until that brings hardly anything new. With `compared`,
        only as many as hold so many allowed rows.
        """
        lists = self._native.quantizer.search(query, self._native.nlist)[1][0]
        lists = lists[counts[lists] > 0]
        rows_until = np.cumsum(counts[lists])
        depth = max(k, RECALL_AT)
        target = max(compared or self._native.nprobe / self._native.nlist * self.count / 2, depth)
        if compared is None and len(lists) and rows_until[-1] <= EXACT_ROWS:
            target = rows_until[-1]
        scores, rows, start = np.empty(0, np.float32), np.empty(0, np.int64), 0
        while start < len(lists):
            end = min(int(np.searchsorted(rows_until, target)) + 1, len(lists))
            more_scores, more_rows = self._visit_lists(query, depth, lists[start:end], selector)
            scores, rows = np.concatenate([scores, more_scores]), np.concatenate([rows, more_rows])
            best = np.argsort(-scores, kind="stable")[:depth]
            is_settled = start > 0 and (best >= len(scores) - len(more_scores)).mean() <= SETTLED
            scores, rows, start = scores[best], rows[best], end
            if is_settled or (compared is not None and len(rows) >= k):
                break
            target = 2 * max(target, rows_until[end - 1])
        return scores[:k], rows[:k]

    def _visit_lists(
        self, query: Matrix, depth: int, lists: np.ndarray, selector: Selector
    ) -> tuple[Vector, np.ndarray]:
        """The best allowed rows of these lists: (<= depth,) float32 and int64"""
        centroid_scores = np.zeros(len(lists), np.float32)  # no part of the scores: codes are no residuals
        scores, rows = np.empty(depth, np.float32), np.empty(depth, np.int64)
        arrays = (np.ascontiguousarray(lists), centroid_scores, scores, rows)
        pointers = [faiss.swig_ptr(array) for array in arrays]
        self._native.search_preassigned_c(
            1, faiss.swig_ptr(query), depth, *pointers, False, visiting(len(lists), selector)
        )
        return scores[rows >= 0], rows[rows >= 0]

    def _allowed_of_lists(self, allowed: Bitmap) -> Rows:
        """The number of allowed rows in each list: (nlist,) int64"""
        mask = np.unpackbits(allowed, count=min(8 * len(allowed), self.count), bitorder="little").view(bool)
        lists = self._lists_of_rows().take(np.flatnonzero(mask))  # a tenth of the time of lists[mask]
        return np.bincount(lists, minlength=self._native.nlist)

    def _lists_of_rows(self) -> np.ndarray:
        lists_of_rows = self._list_of_row
        if lists_of_rows is None or len(lists_of_rows) != self.count:
            lists_of_rows = np.empty(self.count, np.int32)
            inverted = self._native.invlists
            for place in range(self._native.nlist):
                if size := inverted.list_size(place):
                    lists_of_rows[faiss.rev_swig_ptr(inverted.get_ids(place), size)] = place
            self._list_of_row = lists_of_rows  # assigned when complete: other threads may be searching
        return lists_of_rows


def build_index(
    vectors: Matrix, *, seed: int, exact_rows: int = EXACT_ROWS, queries: Matrix | None = None
) -> VectorIndex:
    """An index of the kind that suits the number of vectors, with them as rows 0 to n - 1.

    vectors (n, d) float16 or float32; queries (q, d) float32: a sample of real queries, on which the number
    of lists that an IVF index visits is tuned. Without it a sample of the vectors is used.
    """
    require_matrix(vectors, dtypes=[np.float16, np.float32])
    if len(vectors) <= exact_rows:
        return _filled(
            ExactIndex(faiss.IndexScalarQuantizer(vectors.shape[1], FLOAT16, INNER_PRODUCT)), vectors
        )
    rng = np.random.default_rng(seed)
    lists = _trained_lists(vectors, rng)
    index = _filled(IvfIndex(lists), vectors)
    sample = _sample(vectors, RECALL_SAMPLE, rng) if queries is None else queries
    lists.nprobe = _probes_for_recall(lists, sample)
    return index


def load_index(path: Path, *, share: bool = True) -> VectorIndex:
    """Open a saved index. With share=True it is memory-mapped, and all processes of a host share its pages.

    A shared index can be searched, but rows cannot be added. Raises IndexFileError.
    """
    # IO_FLAG_MMAP shares IVF lists but copies flat codes; IFC maps both.
    flags = faiss.IO_FLAG_MMAP_IFC if share else 0
    try:
        native = faiss.read_index(str(path), flags)
    except RuntimeError as error:
        raise IndexFileError(f"{path} is missing or is not a complete index") from error
    kinds = {faiss.IndexScalarQuantizer: ExactIndex, faiss.IndexIVFScalarQuantizer: IvfIndex}
    if type(native) not in kinds:
        accepted = " or ".join(kind.__name__ for kind in kinds)
        raise IndexFileError(f"{path} holds a {type(native).__name__}; accepted: {accepted}")
    return kinds[type(native)](native, shared=share)


def set_native_threads(count: int) -> None:
    """Set the number of threads that FAISS uses in this process: 1 in web processes, and before any fork."""
    faiss.omp_set_num_threads(count)


def list_count(row_count: int) -> int:
    """Number of inverted lists for an index of so many rows."""
    return max(1, round(2.5 * row_count**0.5))


def _filled(index: VectorIndex, vectors: Matrix) -> VectorIndex:
    index.add(vectors)
    return index


def _trained_lists(vectors: Matrix, rng: np.random.Generator) -> faiss.IndexIVFScalarQuantizer:
    dimension, lists = vectors.shape[1], list_count(len(vectors))
    centroids = faiss.IndexFlatIP(dimension)
    native = faiss.IndexIVFScalarQuantizer(centroids, dimension, lists, FLOAT16, INNER_PRODUCT, False)
    native.cp.seed = int(rng.integers(2**31))
    native.cp.spherical = True  # unit centroids, since long ones would win every inner product
    native.cp.min_points_per_centroid = 1
    native.train(_sample(vectors, lists * TRAINING_ROWS_PER_LIST, rng))
    return native


def _probes_for_recall(native: faiss.IndexIVFScalarQuantizer, queries: Matrix) -> int:
    """The least number of lists, on a geometric ladder, that reaches RECALL of the RECALL_AT nearest rows."""
    k = min(RECALL_AT, native.ntotal)
    truth = visit(native, queries, k, native.nlist)
    for probes in np.unique(np.geomspace(1, native.nlist, 24).astype(int)):
        if _recall(visit(native, queries, k, int(probes)), truth) >= RECALL:
            return int(probes)
    return native.nlist


def _recall(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([np.isin(want, got).mean() for want, got in zip(truth, found, strict=True)]))


def _sample(vectors: Matrix, count: int, rng: np.random.Generator) -> Matrix:
    """At most `count` of the vectors, in row order, as float32."""
    rows = np.sort(rng.choice(len(vectors), size=min(count, len(vectors)), replace=False))
    return _float32(vectors[rows])


def _float32(vectors: Matrix) -> Matrix:
    return np.ascontiguousarray(vectors, dtype=np.float32)
