"""Collaborative filtering by alternating least squares (implicit), and folding an actor in at read time.

Serving imports this module: `fit` alone imports implicit, and only when it is called.
"""

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from ml.arrays import Matrix, Rows, ShapeError, Vector, require_matrix, require_vector

ARRAYS, SETTINGS, FORMAT = "als.npz", "als.json", "als-1"
ROUNDING = 1e-4  # by which the gram matrix in a file may differ from that of its factors

Progress = Callable[[int, int], None]  # iterations done, iterations in all


class AlsFileError(ValueError):
    """Saved factors are missing, damaged, or contradict themselves."""


@dataclass(frozen=True)
class AlsModel:
    """What a training run leaves behind: a row of factors for each listing, and what a fold-in needs."""

    listing_ids: npt.NDArray[np.int64]  # (n,)
    item_factors: Matrix  # (n, k) float32
    gram: Matrix  # (k, k) float32, item_factors.T @ item_factors
    regularisation: float

    def fold_in(self, rows: Rows, confidence: Vector) -> Vector:
        """Factors of one actor from what they touched; see `fold_in`.   -> (k,) float32"""
        return fold_in(self.item_factors, self.gram, rows, confidence, self.regularisation)

    def save(self, folder: Path) -> None:
        """Write als.npz and als.json into a folder, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"listing_ids": self.listing_ids, "item_factors": self.item_factors, "gram": self.gram}
        np.savez(folder / ARRAYS, allow_pickle=False, **arrays)  # type: ignore[arg-type]
        settings = {"format": FORMAT, "regularisation": self.regularisation}
        (folder / SETTINGS).write_text(json.dumps(settings))

    @classmethod
    def load(cls, folder: Path) -> "AlsModel":
        """Read what `save` wrote.   Raises AlsFileError, whatever is wrong with the files."""
        model = cls(**_read_arrays(folder / ARRAYS), regularisation=_read_regularisation(folder / SETTINGS))
        _require_consistent(model)
        return model


def fit(
    confidence: csr_matrix,
    listing_ids: npt.NDArray[np.int64],
    *,
    factors: int,
    iterations: int,
    regularisation: float,
    seed: int,
    progress: Progress | None = None,
    thread_count: int = 0,
) -> AlsModel:
    """Factorise how much actors cared for listings (Hu, Koren & Volinsky 2008), by implicit's CPU solver.

    confidence (actors, listings) float32, > 0 where an actor touched a listing and absent elsewhere: c of the
    paper itself, nothing is multiplied on. listing_ids (listings,) int64. thread_count 0: every core.
    """
    require_vector(listing_ids, length=confidence.shape[1], dtypes=[np.int64])
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):  # implicit runs a thread a core itself; BLAS threads would fight them
        solver = AlternatingLeastSquares(
            factors=factors,
            iterations=iterations,
            regularization=regularisation,
            random_state=seed,
            num_threads=thread_count,
            calculate_training_loss=False,
        )
        solver.fit(_sorted_float32(confidence), show_progress=False, callback=_reporter(progress, iterations))
    return _model(listing_ids, solver.item_factors, regularisation)


def fold_in(
    item_factors: Matrix, gram: Matrix, rows: Rows, confidence: Vector, regularisation: float
) -> Vector:
    """Factors of one actor from what they touched, the item factors held fixed.

    Solves (YtY + Yt(C - I)Y + rI) x = YtC1, eq. 4 of Hu, Koren & Volinsky 2008.
    item_factors (n, k) float32; gram = YtY (k, k); rows (m,) int, unique; confidence (m,) float32, > 0.
    Returns (k,) float32. An actor who touched nothing gets zeros. Raises ShapeError.
    """
    require_matrix(gram, rows=item_factors.shape[1], columns=item_factors.shape[1])
    require_vector(confidence, length=len(rows))
    y = np.asarray(item_factors[rows], dtype=np.float64)  # (m, k); a solve in float32 would lose four digits
    a = gram + (y.T * (confidence - 1)) @ y  # (k, k)
    a[np.diag_indices_from(a)] += regularisation
    return np.linalg.solve(a, y.T @ confidence).astype(np.float32)  # (k,)


def _model(listing_ids: npt.NDArray[np.int64], item_factors: Matrix, regularisation: float) -> AlsModel:
    return AlsModel(listing_ids, item_factors, item_factors.T @ item_factors, float(regularisation))


def _sorted_float32(confidence: csr_matrix) -> csr_matrix:
    """A copy for the solver, which wants float32 and one entry a cell."""
    matrix = csr_matrix(confidence, dtype=np.float32, copy=True)
    matrix.sum_duplicates()
    return matrix


def _reporter(progress: Progress | None, iterations: int) -> Callable[[int, float, float | None], None]:
    def report(iteration: int, _elapsed_s: float, _loss: float | None) -> None:
        if progress:
            progress(iteration + 1, iterations)

    return report


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in ("listing_ids", "item_factors", "gram")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise AlsFileError(f"{path} cannot be read: {error}") from error


def _read_regularisation(path: Path) -> float:
    try:
        settings = json.loads(path.read_text())
        if settings["format"] != FORMAT:
            raise ValueError(f"format {settings['format']!r}, expected {FORMAT!r}")
        return float(settings["regularisation"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AlsFileError(f"{path} cannot be read: {error}") from error


def _require_consistent(model: AlsModel) -> None:
    """Raises AlsFileError unless shapes, dtypes and values belong together."""
    try:
        require_vector(model.listing_ids, dtypes=[np.int64])
        require_matrix(model.item_factors, rows=len(model.listing_ids), dtypes=[np.float32])
        _require_gram(model)
    except ShapeError as error:
        raise AlsFileError(f"saved factors contradict themselves: {error}") from error


def _require_gram(model: AlsModel) -> None:
    columns = model.item_factors.shape[1]
    require_matrix(model.gram, rows=columns, columns=columns, dtypes=[np.float32])
    expected = model.item_factors.T @ model.item_factors
    # Another machine sums in another order: equal to rounding, relative to the largest entry. NaN is refused.
    largest = np.abs(expected).max(initial=0)
    if not np.abs(model.gram - expected).max(initial=0) <= ROUNDING * largest:
        raise ShapeError("gram is not that of the item factors")
