"""Backbone features reduced to what tells photos apart, for near-identical ones and photos of one scene."""

from dataclasses import dataclass, fields

import numpy as np

from ml.arrays import Matrix, Vector, require_matrix, unit_rows

MOST_PHOTOS = 20_000  # more do not turn the axes
WHITENING = 0.5  # of each axis' deviation: between plain principal components (0) and whitened ones (1)


@dataclass(frozen=True, eq=False)
class Look:
    """Principal axes of features, half whitened."""

    mean: Vector  # (f,) float32
    axes: Matrix  # (f, d) float32

    def read(self, features: Matrix) -> Matrix:
        """(n, f) -> (n, d) float32, unit length"""
        require_matrix(features, columns=len(self.mean))
        return unit_rows((_damped(features) - self.mean) @ self.axes)

    def arrays(self) -> dict[str, np.ndarray]:
        return {f"look_{field.name}": getattr(self, field.name) for field in fields(self)}


def fit_look(features: Matrix, dimension: int, *, seed: int) -> Look:
    """From features of a catalogue's photos (n, f), at least one of them."""
    rows = np.random.default_rng(seed).permutation(len(features))[:MOST_PHOTOS]
    damped = _damped(features[np.sort(rows)])
    mean = damped.mean(axis=0)
    centred = unit_rows(damped - mean)
    _, deviations, axes = np.linalg.svd(centred, full_matrices=False)
    kept = slice(0, dimension)
    scaled = axes[kept].T / np.maximum(deviations[kept], 1e-6) ** WHITENING  # (f, <= dimension)
    padded = np.zeros((features.shape[1], dimension), np.float32)
    padded[:, : scaled.shape[1]] = scaled
    return Look(mean.astype(np.float32), padded)


def _damped(features: Matrix) -> Matrix:
    """Square roots, so that a feature that one photo has in plenty does not drown the others.  -> unit rows"""
    wide = np.asarray(features, dtype=np.float32)
    return unit_rows(np.sign(wide) * np.sqrt(np.abs(wide)))
