"""Nearest vectors by inner product, under row numbers that never change.

Rows are only ever added; what must not be found is masked by a bitmap. `build_index` picks the kind by size:
every row compared up to EXACT_ROWS, inverted lists (IVF) beyond. Codes are float16: half the memory, and
close enough to propose what the caller's own float16 array then rescores.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from ml.arrays import Bitmap, Matrix, Rows, ShapeError, count_allowed, require_matrix, require_vector

EXACT_ROWS = 20_000  # about 0.6 ms a query at 512 dimensions on one thread
RECALL, RECALL_AT, RECALL_SAMPLE = 0.97, 200, 100
TRAINING_ROWS_PER_LIST = 256  # FAISS's own default: more do not improve the centroids
CHUNK_ROWS = 65_536  # float32 copies of a large catalogue are made in pieces of this many rows
Selector = faiss.IDSelector | None  # (FAISS's stubs lack what its Python layer adds, hence the ignores)
FLOAT16, INNER_PRODUCT = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT


class IndexFileError(ValueError):
    """A file is not an index that this module wrote, or not all of it."""


class IndexIsShared(RuntimeError):
    """The index lies in a file that other processes map: to add rows, load it with share=False."""


class VectorIndex(ABC):
    """What serving and compaction ask of an index. Searching is safe from many threads, adding is not."""

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
        """Whether so many rows were added that building anew would give a better kind or better lists."""

    @abstractmethod
    def _parameters(self, selector: Selector, kept: int) -> faiss.SearchParameters: ...

    def search(self, queries: Matrix, k: int, allowed: Bitmap | None = None) -> tuple[Rows, Matrix]:
        """The k rows of highest inner product for each query, best first, among those that `allowed` lets by.

        queries (q, d) float32; allowed: bits by `pack_mask`, a row past its end is not allowed.
        Returns rows (q, k) int32, -1 where there are no more, and scores (q, k) float32, -inf there.
        """
        require_matrix(queries, columns=self.dimension, dtypes=[np.float32])
        if k < 1:
            raise ShapeError(f"expected k of 1 or more, found {k}")
        scores, rows = self._native.search(np.ascontiguousarray(queries), k, params=self._restrict(allowed))
        return rows.astype(np.int32), np.where(rows < 0, np.float32(-np.inf), scores)

    def add(self, vectors: Matrix) -> None:
        """Append vectors (n, d) float16 or float32 as the next n rows.   Raises IndexIsShared."""
        require_matrix(vectors, columns=self.dimension, dtypes=[np.float16, np.float32])
        if self._shared:  # FAISS itself does not raise here: it ends the process
            raise IndexIsShared("rows cannot be added to an index loaded with share=True")
        for first in range(0, len(vectors), CHUNK_ROWS):
            self._native.add(_float32(vectors[first : first + CHUNK_ROWS]))

    def save(self, path: Path) -> None:
        """Write the index to a file. The caller builds aside, syncs and renames."""
        faiss.write_index(self._native, str(path))

    def _restrict(self, allowed: Bitmap | None) -> faiss.SearchParameters:
        if allowed is None:
            return self._parameters(None, self.count)
        require_vector(allowed, dtypes=[np.uint8])
        selector = faiss.IDSelectorBitmap(np.ascontiguousarray(allowed))  # type: ignore[call-arg, arg-type]
        return self._parameters(selector, count_allowed(allowed))


class ExactIndex(VectorIndex):
    """Every row is compared."""

    @property
    def outgrown(self) -> bool:
        return self.count > 1.25 * EXACT_ROWS  # not at the threshold itself: slack is cheap, building is not

    def _parameters(self, selector: Selector, kept: int) -> faiss.SearchParameters:
        return faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]


class IvfIndex(VectorIndex):
    """Only rows in the lists nearest to the query are compared; how many lists was settled when built."""

    @property
    def outgrown(self) -> bool:
        return list_count(self.count) > 2 * self._native.nlist  # the catalogue has become four times as large

    def _parameters(self, selector: Selector, kept: int) -> faiss.SearchParameters:
        return _visiting(self._lists_to_visit(kept), selector)

    def _lists_to_visit(self, kept: int) -> int:
        """All of them when few rows are kept, and so exact; else as many more as the mask thins them out."""
        if kept <= EXACT_ROWS and kept < self.count:
            return self._native.nlist
        return min(self._native.nlist, round(self._native.nprobe * self.count / max(kept, 1)))


def build_index(
    vectors: Matrix, *, seed: int, exact_rows: int = EXACT_ROWS, queries: Matrix | None = None
) -> VectorIndex:
    """An index of the kind that suits the number of vectors, holding them as rows 0 to n - 1.

    vectors (n, d) float16 or float32; queries (q, d) float32: a sample of what will be asked, on which an IVF
    index settles how many lists to visit; without it, a sample of the vectors themselves.
    """
    require_matrix(vectors, dtypes=[np.float16, np.float32])
    if len(vectors) <= exact_rows:
        return _filled(
            ExactIndex(faiss.IndexScalarQuantizer(vectors.shape[1], FLOAT16, INNER_PRODUCT)), vectors
        )
    rng = np.random.default_rng(seed)
    lists = _trained_lists(vectors, rng)
    index = _filled(IvfIndex(lists), vectors)
    asked = _sample(vectors, RECALL_SAMPLE, rng) if queries is None else queries
    lists.nprobe = _probes_for_recall(lists, asked)
    return index


def load_index(path: Path, *, share: bool = True) -> VectorIndex:
    """Open a saved index; shared, its codes stay in the file and all processes of a host map the same pages.

    A shared index can be searched, not added to. Raises IndexFileError.
    """
    # IO_FLAG_MMAP would share IVF lists but copy flat codes; IFC maps both.
    flags = faiss.IO_FLAG_MMAP_IFC if share else 0
    try:
        native = faiss.read_index(str(path), flags)
    except RuntimeError as error:
        raise IndexFileError(f"{path} is missing or is not a whole index") from error
    kinds = {faiss.IndexScalarQuantizer: ExactIndex, faiss.IndexIVFScalarQuantizer: IvfIndex}
    if type(native) not in kinds:
        raise IndexFileError(f"{path} holds a {type(native).__name__}, not an index of this module")
    return kinds[type(native)](native, shared=share)


def set_native_threads(count: int) -> None:
    """How many threads FAISS uses in this process: 1 in web processes, and before any fork."""
    faiss.omp_set_num_threads(count)


def list_count(row_count: int) -> int:
    """How many inverted lists suit so many rows."""
    return max(1, round(2.5 * row_count**0.5))


def _filled(index: VectorIndex, vectors: Matrix) -> VectorIndex:
    index.add(vectors)
    return index


def _trained_lists(vectors: Matrix, rng: np.random.Generator) -> faiss.IndexIVFScalarQuantizer:
    dimension, lists = vectors.shape[1], list_count(len(vectors))
    centroids = faiss.IndexFlatIP(dimension)
    native = faiss.IndexIVFScalarQuantizer(centroids, dimension, lists, FLOAT16, INNER_PRODUCT, False)
    native.cp.seed = int(rng.integers(2**31))
    native.cp.spherical = True  # unit centroids, or long ones would win every inner product
    native.cp.min_points_per_centroid = 1
    native.train(_sample(vectors, lists * TRAINING_ROWS_PER_LIST, rng))
    return native


def _probes_for_recall(native: faiss.IndexIVFScalarQuantizer, queries: Matrix) -> int:
    """The fewest lists, on a geometric ladder, whose visit finds RECALL of the true nearest RECALL_AT."""
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
