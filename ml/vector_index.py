"""Nearest neighbour search by inner product (FAISS), under row numbers that never change.

Rows can be added but not removed; a bitmap excludes rows from a search. `build_index` chooses the kind by
size: exact search up to EXACT_ROWS, inverted lists (IVF) beyond. Codes are float16, which halves the memory.
They are accurate enough to propose candidates, which the caller rescores.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from ml.arrays import Bitmap, Matrix, Rows, ShapeError, count_allowed, require_matrix, require_vector

EXACT_ROWS = 20_000  # about 0.6 ms a query at 512 dimensions on one thread
RECALL, RECALL_AT, RECALL_SAMPLE = 0.97, 200, 100  # target recall@200 of an IVF index, on so many queries
TRAINING_ROWS_PER_LIST = 256  # FAISS's default; more do not improve the centroids
CHUNK_ROWS = 65_536  # that are converted to float32 at a time
Selector = faiss.IDSelector | None  # FAISS's stubs lack what its Python layer adds, hence the ignores below
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

    @property
    @abstractmethod
    def outgrown(self) -> bool:
        """True once so many rows were added that a rebuild would give a faster or more accurate index."""

    @abstractmethod
    def _parameters(self, selector: Selector, kept: int) -> faiss.SearchParameters: ...

    def search(self, queries: Matrix, k: int, allowed: Bitmap | None = None) -> tuple[Rows, Matrix]:
        """The k allowed rows of greatest inner product for each query, best first.

        queries (q, d) float32; allowed: a bitmap by `pack_mask`, rows past its end are not allowed; None
        allows all. Returns rows (q, k) int32, padded with -1, and scores (q, k) float32, padded with -inf.
        """
        require_matrix(queries, columns=self.dimension, dtypes=[np.float32])
        if k < 1:
            raise ShapeError(f"expected k of 1 or more, found {k}")
        scores, rows = self._native.search(np.ascontiguousarray(queries), k, params=self._restrict(allowed))
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

    def _restrict(self, allowed: Bitmap | None) -> faiss.SearchParameters:
        if allowed is None:
            return self._parameters(None, self.count)
        require_vector(allowed, dtypes=[np.uint8])
        selector = faiss.IDSelectorBitmap(np.ascontiguousarray(allowed))  # type: ignore[call-arg, arg-type]
        return self._parameters(selector, count_allowed(allowed))


class ExactIndex(VectorIndex):
    """An index that compares every row with the query."""

    @property
    def outgrown(self) -> bool:
        return self.count > 1.25 * EXACT_ROWS  # above the threshold, since a rebuild costs more than slack

    def _parameters(self, selector: Selector, kept: int) -> faiss.SearchParameters:
        return faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]


class IvfIndex(VectorIndex):
    """An index that compares only the lists nearest to the query; their number was tuned by the build."""

    @property
    def outgrown(self) -> bool:
        return list_count(self.count) > 2 * self._native.nlist  # about four times the rows since the build

    def _parameters(self, selector: Selector, kept: int) -> faiss.SearchParameters:
        return _visiting(self._lists_to_visit(kept), selector)

    def _lists_to_visit(self, kept: int) -> int:
        """All lists if few rows are allowed, else more lists in proportion to the excluded rows."""
        if kept <= EXACT_ROWS and kept < self.count:
            return self._native.nlist
        return min(self._native.nlist, round(self._native.nprobe * self.count / max(kept, 1)))


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
    truth = _visit(native, queries, k, native.nlist)
    for probes in np.unique(np.geomspace(1, native.nlist, 24).astype(int)):
        if _recall(_visit(native, queries, k, int(probes)), truth) >= RECALL:
            return int(probes)
    return native.nlist


def _visit(native: faiss.IndexIVFScalarQuantizer, queries: Matrix, k: int, probes: int) -> np.ndarray:
    return native.search(queries, k, params=_visiting(probes))[1]  # (q, k)


def _visiting(probes: int, selector: Selector = None) -> faiss.SearchParameters:
    return faiss.SearchParametersIVF(sel=selector, nprobe=probes)  # type: ignore[call-arg]


def _recall(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([np.isin(want, got).mean() for want, got in zip(truth, found, strict=True)]))


def _sample(vectors: Matrix, count: int, rng: np.random.Generator) -> Matrix:
    """At most `count` of the vectors, in row order, as float32."""
    rows = np.sort(rng.choice(len(vectors), size=min(count, len(vectors)), replace=False))
    return _float32(vectors[rows])


def _float32(vectors: Matrix) -> Matrix:
    return np.ascontiguousarray(vectors, dtype=np.float32)
