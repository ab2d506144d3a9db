"""A LightGBM model for prediction alone, by LightGBM's C API (its documentation, "C API").

Serving imports this module. LightGBM's own Python package imports scikit-learn and pandas as soon as they are
installed, which serving must not hold; its library needs neither, so serving calls that.
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
    """Trees that score rows, on one thread. Many threads may ask at a time; they cannot be pickled.

    feature_count: how many columns a row has.
    """

    def __init__(self, text: str) -> None:
        """From what LightGBM's save_model writes.   Raises TreesError."""
        self._library = _library()
        self._handle = ctypes.c_void_p()
        tree_count = ctypes.c_int()
        with _one_thread(self._library):
            handle = ctypes.byref(self._handle)
            self._ask("BoosterLoadModelFromString", text.encode(), ctypes.byref(tree_count), handle)
        finalize(self, self._library.LGBM_BoosterFree, self._handle)
        columns = ctypes.c_int()
        self._ask("BoosterGetNumFeature", self._handle, ctypes.byref(columns))
        self.feature_count = columns.value

    def score(self, features: Matrix) -> Vector:
        """The sum over all trees: features (n, feature_count) float32, NaN = unknown -> (n,) float32

        Raises ShapeError.
        """
        require_matrix(features, columns=self.feature_count, dtypes=[np.float32])
        if not len(features):
            return np.empty(0, np.float32)
        rows = np.ascontiguousarray(features)
        scores, score_count = np.empty(len(rows), np.float64), ctypes.c_int64()
        self._ask(
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

    def _ask(self, name: str, *arguments: object) -> None:
        """Call LGBM_name.   Raises TreesError, with LightGBM's own words."""
        if getattr(self._library, f"LGBM_{name}")(*arguments) != 0:
            raise TreesError(self._library.LGBM_GetLastError().decode(errors="replace"))


@contextmanager
def _one_thread(library: ctypes.CDLL) -> Iterator[None]:
    """Reading a model would start a thread a core, which stay, and a fork after that can hang."""
    before = ctypes.c_int()
    library.LGBM_GetMaxThreads(ctypes.byref(before))
    library.LGBM_SetMaxThreads(ctypes.c_int(1))
    try:
        yield
    finally:
        library.LGBM_SetMaxThreads(before)


@cache
def _library() -> ctypes.CDLL:
    """LightGBM's library, found without importing its package.   Raises TreesError."""
    package = importlib.util.find_spec("lightgbm")
    if package is None or package.origin is None:
        raise TreesError("LightGBM is not installed")
    files = sorted((Path(package.origin).parent / "lib").glob("lib_lightgbm.*"))
    if not files:
        raise TreesError("LightGBM is installed without its library")
    library = ctypes.CDLL(str(files[0]))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library
