"""Cross-fitted reward model for doubly robust estimates: ridge regression of rewards on features."""

from collections.abc import Sequence

import numpy as np

from ml.arrays import Matrix, Rows, ShapeError, Vector, require_matrix, require_vector

FOLDS = 5
RIDGE = 10.0  # regularisation, in rows
# Deviation of a feature, over its greatest value, that is but rounding of float32; its column is left out.
ROUNDING = 1e-4
GREATEST_Z = 5.0  # deviations from the mean at which a feature is cut off: a fold may hold what others lack
INTEGERS = (np.int32, np.int64)


def cross_fitted_rewards(
    features: Matrix, rewards: Vector, clusters: Rows, queries: Sequence[Matrix], *, seed: int
) -> list[Vector]:
    """Out-of-fold rewards predicted by ridge regression (Hoerl & Kennard 1970).

    The model is trained on features (n, f) float, NaN = unknown, and rewards (n,) float. clusters (n,) int
    are split into folds; rows of a fold are predicted from the other folds (Chernozhukov et al. 2018).
    queries: each (n, f), row i belongs to the cluster of row i. Unknown values are replaced by the mean, with
    an indicator feature. Predictions lie at most one deviation outside of the rewards that were trained on.
    Returns (n,) float64 for each of queries; 0 where there is no other fold.
    Raises ShapeError.
    """
    require_vector(rewards, length=len(require_matrix(features)))
    require_vector(clusters, length=len(features), dtypes=INTEGERS)
    for matrix in queries:
        require_matrix(matrix, rows=len(features), columns=features.shape[1])
    if any(np.isinf(matrix).any() for matrix in (features, *queries)):
        raise ShapeError("expected features that are finite, or NaN for unknown; found infinity")
    folds = _folds(clusters, seed)
    predictions: list[Vector] = [np.zeros(len(features)) for _ in queries]
    for fold in range(FOLDS):
        inside = folds == fold
        if inside.all() or not inside.any():
            continue
        model = _Ridge(features[~inside], rewards[~inside])
        for values, matrix in zip(predictions, queries, strict=True):
            values[inside] = model.predict(matrix[inside])
    return predictions


def _folds(clusters: Rows, seed: int) -> Rows:
    """The fold of each row, the same for all rows of a cluster: (n,) int64"""
    names, own = np.unique(clusters, return_inverse=True)
    return (np.random.default_rng(seed).permutation(len(names)) % FOLDS)[own]


class _Ridge:
    """Ridge regression on standardised features, with an indicator column for unknown values."""

    def __init__(self, features: Matrix, rewards: Vector) -> None:
        wide = features.astype(np.float64)
        known = ~np.isnan(wide)
        count = np.maximum(known.sum(axis=0), 1)
        self._mean = np.where(known, wide, 0).sum(axis=0) / count  # (f,)
        squares = np.where(known, wide - self._mean, 0) ** 2
        deviation = np.sqrt(squares.sum(axis=0) / count)
        greatest = np.where(known, np.abs(wide), 0).max(axis=0, initial=0)
        self._scale = np.where(deviation > ROUNDING * greatest, deviation, np.inf)  # inf: 0 for any value
        deviation_of_rewards = rewards.std()
        self._range = rewards.min() - deviation_of_rewards, rewards.max() + deviation_of_rewards
        self._mean_reward = float(np.mean(rewards, dtype=np.float64))
        x = self._columns(wide)
        self._centre = x.mean(axis=0)
        x = x - self._centre
        gram = x.T @ x + RIDGE * np.eye(x.shape[1])
        self._weights = np.linalg.solve(gram, x.T @ (rewards - self._mean_reward))

    def predict(self, features: Matrix) -> Vector:
        """(n, f) -> (n,) float64"""
        x = self._columns(features.astype(np.float64))
        return np.clip(self._mean_reward + (x - self._centre) @ self._weights, *self._range)

    def _columns(self, wide: Matrix) -> Matrix:
        """Standardised features, 0 where unknown, followed by indicators of unknown: (n, f) -> (n, 2 f)"""
        unknown = np.isnan(wide)
        scaled = np.where(unknown, 0, ((wide - self._mean) / self._scale).clip(-GREATEST_Z, GREATEST_Z))
        return np.hstack([scaled, unknown.astype(np.float64)])
