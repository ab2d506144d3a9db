"""Prediction with a LightGBM model through LightGBM's C API (its documentation, "C API").

Serving imports this module. LightGBM's Python package imports scikit-learn and pandas if they are
installed, which costs a serving process memory. The C library needs neither.
"""

import ctypes
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from weakref import finalize

import numpy as np

from ml.arrays import Matrix, Vector, require_matrix

FLOAT32, ROW_MAJOR, RAW_SCORE = 0, 1, 1  # C_API_DTYPE_FLOAT32, is_row_major, C_API_PREDICT_RAW_SCORE
FROM_FIRST, ALL_TREES = 0, -1
ONE_THREAD = b"num_threads=1 verbosity=-1"


class TreesError(ValueError):
    """LightGBM is not installed, or refuses a model."""


class BoostedTrees:
    """Boosted trees that score rows, each call on one thread. Safe to call from many threads; not picklable.

    feature_count: number of columns of a row.
    """

    def __init__(self, text: str) -> None:
        """text: a model in the format of LightGBM's save_model.   Raises TreesError."""
        self._library = _library()
        self._handle = ctypes.c_void_p()
        tree_count = ctypes.c_int()
        with _one_thread(self._library):
            handle = ctypes.byref(self._handle)
            self._call("BoosterLoadModelFromString", text.encode(), ctypes.byref(tree_count), handle)
        finalize(self, self._library.LGBM_BoosterFree, self._handle)
        columns = ctypes.c_int()
        self._call("BoosterGetNumFeature", self._handle, ctypes.byref(columns))
        self.feature_count = columns.value

    def score(self, features: Matrix) -> Vector:
        """Sum of all trees' outputs: features (n, feature_count) float32, NaN = unknown -> (n,) float32

        Raises ShapeError.
        """
        require_matrix(features, columns=self.feature_count, dtypes=[np.float32])
        if not len(features):
            return np.empty(0, np.float32)
        rows = np.ascontiguousarray(features)
        scores, score_count = np.empty(len(rows), np.float64), ctypes.c_int64()
        self._call(
            "BoosterPredictForMat",
            self._handle,
            ctypes.c_void_p(rows.ctypes.data),
            ctypes.c_int(FLOAT32),
            ctypes.c_int32(rows.shape[0]),
            ctypes.c_int32(rows.shape[1]),
            ctypes.c_int(ROW_MAJOR),
            ctypes.c_int(RAW_SCORE),
            ctypes.c_int(FROM_FIRST),
            ctypes.c_int(ALL_TREES),
            ONE_THREAD,
            ctypes.byref(score_count),
            ctypes.c_void_p(scores.ctypes.data),
        )
        return scores.astype(np.float32)

    def _call(self, name: str, *arguments: object) -> None:
        """Call LGBM_name.   Raises TreesError with LightGBM's own message."""
        if getattr(self._library, f"LGBM_{name}")(*arguments) != 0:
            raise TreesError(self._library.LGBM_GetLastError().decode(errors="replace"))


@contextmanager
def _one_thread(library: ctypes.CDLL) -> Iterator[None]:
    """Limit LightGBM to one thread. Reading a model would start one a core, after which a fork can hang."""
    before = ctypes.c_int()
    library.LGBM_GetMaxThreads(ctypes.byref(before))
    library.LGBM_SetMaxThreads(ctypes.c_int(1))
    try:
        yield
    finally:
        library.LGBM_SetMaxThreads(before)


@cache
def _library() -> ctypes.CDLL:
    """LightGBM's C library, loaded without importing its Python package.   Raises TreesError."""
    package = importlib.util.find_spec("lightgbm")
    if package is None or package.origin is None:
        raise TreesError("the package lightgbm is not installed; the learned ranker needs it")
    files = sorted((Path(package.origin).parent / "lib").glob("lib_lightgbm.*"))
    if not files:
        raise TreesError("the package lightgbm has no lib/lib_lightgbm file; reinstall it")
    library = ctypes.CDLL(str(files[0]))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library
