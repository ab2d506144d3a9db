"""What reward a listing's features foretell, by models that have not seen whom they foretell."""

from collections.abc import Sequence

import numpy as np

from ml.arrays import Matrix, Rows, ShapeError, Vector, require_matrix, require_vector

FOLDS = 5
RIDGE = 10.0  # rows that the prior belief, that no feature tells anything, counts for
INTEGERS = (np.int32, np.int64)


def cross_fitted(
    seen: Matrix, rewards: Vector, clusters: Rows, asked: Sequence[Matrix], *, seed: int
) -> list[Vector]:
    """Rewards that a ridge regression (Hoerl & Kennard 1970) foretells of rows, cluster by cluster unseen.

    seen (n, f) float, NaN = unknown, and rewards (n,) float of them are learned from; clusters (n,) int, of
    which those of a fold are foretold by what the other folds taught (Chernozhukov et al. 2018); asked: each
    (n, f), its rows being of the same clusters. What is unknown counts as usual, and that it is unknown is a
    feature too. Returns (n,) float64 for each of asked; 0 where no other fold teaches.   Raises ShapeError.
    """
    require_vector(rewards, length=len(require_matrix(seen)))
    require_vector(clusters, length=len(seen), dtypes=INTEGERS)
    for matrix in asked:
        require_matrix(matrix, rows=len(seen), columns=seen.shape[1])
    if any(np.isinf(matrix).any() for matrix in (seen, *asked)):
        raise ShapeError("expected features that are finite, or NaN for unknown")
    folds = _folds(clusters, seed)
    foretold: list[Vector] = [np.zeros(len(seen)) for _ in asked]
    for fold in range(FOLDS):
        inside = folds == fold
        if inside.all() or not inside.any():
            continue
        model = _Ridge(seen[~inside], rewards[~inside])
        for values, matrix in zip(foretold, asked, strict=True):
            values[inside] = model.predict(matrix[inside])
    return foretold


def _folds(clusters: Rows, seed: int) -> Rows:
    """The fold of each row, the same for the rows of a cluster: (n,) int64"""
    names, own = np.unique(clusters, return_inverse=True)
    return (np.random.default_rng(seed).permutation(len(names)) % FOLDS)[own]


class _Ridge:
    def __init__(self, features: Matrix, rewards: Vector) -> None:
        wide = features.astype(np.float64)
        known = ~np.isnan(wide)
        count = np.maximum(known.sum(axis=0), 1)
        self._mean = np.where(known, wide, 0).sum(axis=0) / count  # (f,)
        squares = np.where(known, wide - self._mean, 0) ** 2
        deviation = np.sqrt(squares.sum(axis=0) / count)
        self._scale = np.where(deviation > 0, deviation, 1)
        self._usual = float(np.mean(rewards, dtype=np.float64))
        x = self._columns(wide)
        self._centre = x.mean(axis=0)
        x = x - self._centre
        gram = x.T @ x + RIDGE * np.eye(x.shape[1])
        self._weights = np.linalg.solve(gram, x.T @ (rewards - self._usual))

    def predict(self, features: Matrix) -> Vector:
        """(n, f) -> (n,) float64"""
        x = self._columns(features.astype(np.float64))
        return self._usual + (x - self._centre) @ self._weights

    def _columns(self, wide: Matrix) -> Matrix:
        """Standardised, 0 where unknown, and beside it whether it is: (n, f) -> (n, 2 f)"""
        unknown = np.isnan(wide)
        scaled = np.where(unknown, 0, (wide - self._mean) / self._scale)
        return np.hstack([scaled, unknown.astype(np.float64)])
