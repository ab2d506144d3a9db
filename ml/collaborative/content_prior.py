"""Item cold start: collaborative scores of listings without interactions, from their content vectors.

Serving imports this module.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.arrays import Matrix, ShapeError, Vector, require_matrix, require_vector
from ml.model_files import ModelFileError, read_arrays, write_arrays

NAMES = ("weights", "bias")


@dataclass(frozen=True)
class ContentPrior:
    """A linear map from a listing's vector to its expected collaborative factors.

    weights (d, k) float32, bias (k,) float32.
    """

    weights: Matrix
    bias: Vector

    def factors(self, vectors: Matrix) -> Matrix:
        """Expected factors of listings: (n, d) -> (n, k) float32"""
        require_matrix(vectors, columns=len(self.weights))
        return vectors.astype(np.float32) @ self.weights + self.bias

    def query(self, actor_factors: Vector) -> tuple[Vector, float]:
        """An actor's factors as a query to listing vectors: score = vector @ query + offset.

        (k,) -> (d,) float32 and a float. Factors of listings without interactions need not be stored.
        """
        require_vector(actor_factors, length=len(self.bias))
        return self.weights @ actor_factors, float(self.bias @ actor_factors)

    def save(self, path: Path) -> None:
        """Write the prior to one npz file."""
        write_arrays(path, {name: getattr(self, name) for name in NAMES})

    @classmethod
    def load(cls, path: Path) -> "ContentPrior":
        """Read what `save` wrote.   Raises ModelFileError."""
        prior = cls(**read_arrays(path, NAMES))
        try:
            require_matrix(prior.weights, columns=len(prior.bias), dtypes=[np.float32])
            require_vector(prior.bias, dtypes=[np.float32])
        except (ShapeError, TypeError) as error:
            raise ModelFileError(f"{path} is inconsistent: {error}") from error
        return prior


def fit(vectors: Matrix, factors: Matrix, trust: Vector, *, regularisation: float) -> ContentPrior:
    """Ridge regression (Hoerl & Kennard 1970) of item factors on listing vectors.

    vectors (n, d), factors (n, k); trust (n,) >= 0: weight of each listing, by how well its factors are
    known; regularisation > 0 in units of one listing of mean trust. Regression shrinks its predictions
    towards their mean, which would rank listings without interactions last. So predictions are scaled to the
    root mean square length of the factors they were fitted on.
    """
    require_matrix(factors, rows=len(vectors))
    require_vector(trust, length=len(vectors))
    share = (trust / max(float(np.mean(trust)), 1e-12)).astype(np.float64)  # (n,)
    x, y = vectors.astype(np.float64), factors.astype(np.float64)
    x_mean, y_mean = np.average(x, axis=0, weights=share), np.average(y, axis=0, weights=share)
    centred = x - x_mean
    gram = (centred.T * share) @ centred + regularisation * np.eye(x.shape[1])  # (d, d)
    weights = np.linalg.solve(gram, (centred.T * share) @ (y - y_mean))  # (d, k)
    bias = y_mean - x_mean @ weights
    stretch = _rms_length(y, share) / max(_rms_length(x @ weights + bias, share), 1e-12)
    return ContentPrior((stretch * weights).astype(np.float32), (stretch * bias).astype(np.float32))


def _rms_length(rows: Matrix, share: Vector) -> float:
    """Root mean square length of rows (n, k), weighted by share (n,)."""
    return float(np.sqrt(np.average((rows**2).sum(axis=1), weights=share)))


@dataclass(frozen=True)
class ContentSmoother:
    """Extends collaborative scores to listings without interactions, by ridge regression on listing vectors.

    The expensive part, the inverse, is computed once. For any scores the regression's weights are
    scores @ vectors @ inverse.   inverse (d, d) float32, symmetric
    """

    inverse: Matrix

    def query(self, vectors: Matrix, scores: Matrix | Vector) -> Matrix | Vector:
        """The regression's weights, a query to listing vectors: vectors (m, d), scores (m,) -> (d,) float32.

        Listings that the smoother was fitted on and that are not passed count with score 0.
        Scores of several actors (a, m) give several queries (a, d).
        """
        require_matrix(vectors, rows=scores.shape[-1], columns=len(self.inverse))
        return scores.astype(np.float32) @ vectors.astype(np.float32) @ self.inverse

    def save(self, path: Path) -> None:
        """Write the smoother to one npz file."""
        write_arrays(path, {"inverse": self.inverse})

    @classmethod
    def load(cls, path: Path) -> "ContentSmoother":
        """Read what `save` wrote.   Raises ModelFileError."""
        smoother = cls(**read_arrays(path, ("inverse",)))
        try:
            require_matrix(smoother.inverse, columns=len(smoother.inverse), dtypes=[np.float32])
        except (ShapeError, TypeError) as error:
            raise ModelFileError(f"{path} is inconsistent: {error}") from error
        return smoother


def fit_smoother(vectors: Matrix, *, regularisation: float) -> ContentSmoother:
    """The smoother over listings with interactions: vectors (n, d); regularisation > 0, in listings."""
    x = vectors.astype(np.float64)
    gram = x.T @ x + regularisation * np.eye(x.shape[1])  # (d, d)
    return ContentSmoother(np.linalg.inv(gram).astype(np.float32))
