"""Collaborative filtering by alternating least squares (implicit), and fold-in at serving time.

Serving imports this module. Only `fit` imports implicit, and only when it is called.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dposv
from scipy.sparse import csr_matrix

from ml.arrays import Matrix, Rows, ShapeError, Vector, require_confidence, require_matrix, require_vector
from ml.model_files import ModelFileError, read_arrays, read_settings, write_arrays, write_settings
from ml.progress import Progress

ARRAYS, SETTINGS, FORM = "als.npz", "als.json", "als-2"
NAMES = ("listing_ids", "item_factors", "gram", "actor_gram")
ROUNDING = 1e-4  # relative tolerance between the Gram matrix in a file and that of the factors beside it


@dataclass(frozen=True)
class AlsModel:
    """A trained factorisation: a row of factors for each listing, and the Gram matrices for fold-in."""

    listing_ids: npt.NDArray[np.int64]  # (n,)
    item_factors: Matrix  # (n, k) float32
    gram: Matrix  # (k, k) float32, item_factors.T @ item_factors, for the fold-in of actors
    actor_gram: Matrix  # (k, k) float32, the same of the actors' factors, for the fold-in of listings
    regularisation: float

    @property
    def factor_count(self) -> int:
        return self.item_factors.shape[1]

    @cached_property
    def _actor_side(self) -> Matrix:
        return regularised(self.gram, self.regularisation)

    @cached_property
    def _listing_side(self) -> Matrix:
        return regularised(self.actor_gram, self.regularisation)

    def fold_in(self, items: Rows, confidence: Vector) -> Vector:
        """Factors of one actor from the listings they touched; see `solve`.   -> (k,) float32"""
        return solve(self.item_factors[items], confidence, self._actor_side)

    def contributions(self, items: Rows, confidence: Vector, target: Vector) -> Vector:
        """Contribution of each touched listing to the score of another listing: (m,) float32.

        The contributions sum to that score, target @ fold_in(items, confidence). Section 5 of Hu, Koren &
        Volinsky 2008. items (m,); confidence (m,) >= 1; target (k,): factors of the listing explained.
        """
        touched = self.item_factors[items]
        projected = solve_for(target, touched, confidence, self._actor_side)
        return ((touched @ projected) * confidence).astype(np.float32)

    def fold_in_listing(self, actor_factors: Matrix, confidence: Vector) -> Vector:
        """Factors of one listing from the actors who touched it: actor_factors (m, k).   -> (k,) float32"""
        return solve(actor_factors, confidence, self._listing_side)

    def with_listings(self, listing_ids: npt.NDArray[np.int64], factors: Matrix) -> "AlsModel":
        """The model with the factors of these listings replaced, or appended for listings it lacks.

        listing_ids (m,) int64, each once; factors (m, k) float32.
        """
        require_matrix(factors, rows=len(listing_ids), columns=self.factor_count, dtypes=[np.float32])
        row_of = {pk: row for row, pk in enumerate(self.listing_ids.tolist())}
        rows = np.array([row_of.get(pk, -1) for pk in listing_ids.tolist()], dtype=np.int64)
        changed = self.item_factors.copy()
        changed[rows[rows >= 0]] = factors[rows >= 0]
        return of_factors(
            np.concatenate([self.listing_ids, listing_ids[rows < 0]]),
            np.concatenate([changed, factors[rows < 0]]),
            self.actor_gram,
            self.regularisation,
        )

    def save(self, folder: Path) -> None:
        """Write als.npz and als.json into a folder, which is created if it does not exist."""
        write_arrays(folder / ARRAYS, {name: getattr(self, name) for name in NAMES})
        write_settings(folder / SETTINGS, {"regularisation": self.regularisation}, form=FORM)

    @classmethod
    def load(cls, folder: Path) -> "AlsModel":
        """Read what `save` wrote.   Raises ModelFileError for missing, damaged or inconsistent files."""
        settings = read_settings(folder / SETTINGS, form=FORM)
        try:
            model = cls(
                **read_arrays(folder / ARRAYS, NAMES), regularisation=float(settings["regularisation"])
            )
            _require_consistent(model)
        except (ShapeError, KeyError, TypeError) as error:
            raise ModelFileError(f"{folder / ARRAYS} is inconsistent: {error}") from error
        return model


def of_factors(
    listing_ids: npt.NDArray[np.int64], item_factors: Matrix, actor_gram: Matrix, regularisation: float
) -> AlsModel:
    """A model from its factors: listing_ids (n,) int64, item_factors (n, k) and actor_gram (k, k) float32."""
    return AlsModel(
        listing_ids, item_factors, item_factors.T @ item_factors, actor_gram, float(regularisation)
    )


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
) -> tuple[AlsModel, Matrix]:
    """Factorise the confidence matrix (Hu, Koren & Volinsky 2008) by implicit's CPU solver.

    confidence (actors, listings) float32, > 0 where an actor touched a listing and absent elsewhere. It is c
    of the paper, used as it is: no alpha is multiplied in. listing_ids (listings,) int64. thread_count 0:
    every core. Returns the model and the actors' factors (actors, k) float32.
    """
    require_vector(listing_ids, length=confidence.shape[1], dtypes=[np.int64])
    require_confidence(confidence.data)
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    with threadpool_limits(
        1, "blas"
    ):  # implicit runs one thread a core; BLAS threads would compete with them
        solver = AlternatingLeastSquares(
            factors=factors,
            iterations=iterations,
            regularization=regularisation,
            random_state=seed,
            num_threads=thread_count,
            calculate_training_loss=False,
        )
        solver.fit(_sorted_float32(confidence), show_progress=False, callback=_reporter(progress, iterations))
    actors = solver.user_factors
    return of_factors(listing_ids, solver.item_factors, actors.T @ actors, regularisation), actors


def regularised(gram: Matrix, regularisation: float) -> Matrix:
    """The part of the fold-in matrix that all actors share: gram + rI, (k, k) float64 in Fortran order."""
    columns = gram.shape[1]
    require_matrix(gram, rows=columns, columns=columns)
    return np.asfortranarray(gram.astype(np.float64) + regularisation * np.eye(columns))


def solve(factors: Matrix, confidence: Vector, start: Matrix) -> Vector:
    """Factors of one actor from those of the listings they touched, or of a listing from those of its actors.

    Solves (YtY + rI + Yt(C - I)Y) x = YtC1, eq. 4 of Hu, Koren & Volinsky 2008.
    factors (m, k), of different items; confidence (m,), >= 1; start (k, k) by `regularised`.
    Returns (k,) float32, zeros when m is 0. Raises ShapeError.
    """
    require_matrix(factors, columns=len(start))
    require_confidence(confidence, length=len(factors))
    return solve_for(confidence @ factors.astype(np.float64), factors, confidence, start)


def solve_for(wanted: Vector, factors: Matrix, confidence: Vector, start: Matrix) -> Vector:
    """x of (YtY + rI + Yt(C - I)Y) x = wanted, by Cholesky; arguments as for `solve`. (k,) -> (k,) float32"""
    require_vector(wanted, length=len(start))
    y = factors.astype(np.float64)  # (m, k); float32 would lose four digits
    excess = np.sqrt(np.maximum(confidence - 1, 0, dtype=np.float64))  # (m,)
    a = dsyrk(1.0, (y * excess[:, None]).T, beta=1.0, c=start, lower=1) if len(y) else start
    _, x, failed = dposv(a, np.asarray(wanted, np.float64), lower=1)
    if failed:
        raise np.linalg.LinAlgError(
            "the fold-in matrix is not positive definite; accepted: finite factors and regularisation > 0"
        )
    return x.astype(np.float32)  # (k,)


def _sorted_float32(confidence: csr_matrix) -> csr_matrix:
    """A copy as the solver needs it: float32, sorted, one entry a cell."""
    matrix = csr_matrix(confidence, dtype=np.float32, copy=True)
    matrix.sum_duplicates()
    return matrix


def _reporter(progress: Progress | None, iterations: int) -> Callable[[int, float, float | None], None]:
    def report(iteration: int, _elapsed_s: float, _loss: float | None) -> None:
        if progress:
            progress(iteration + 1, iterations)

    return report


def _require_consistent(model: AlsModel) -> None:
    """Raises ShapeError unless shapes, dtypes and values are consistent."""
    require_vector(model.listing_ids, dtypes=[np.int64])
    require_matrix(model.item_factors, rows=len(model.listing_ids), dtypes=[np.float32])
    columns = model.factor_count
    for gram in (model.gram, model.actor_gram):
        require_matrix(gram, rows=columns, columns=columns, dtypes=[np.float32])
    expected = model.item_factors.T @ model.item_factors
    # Machines sum in different orders, so compare up to rounding, relative to the largest entry. NaN fails.
    largest = np.abs(expected).max(initial=0)
    if not np.abs(model.gram - expected).max(initial=0) <= ROUNDING * largest:
        raise ShapeError("gram differs from item_factors.T @ item_factors")
    if not np.isfinite(model.actor_gram).all():
        raise ShapeError("actor_gram has values that are not finite")
