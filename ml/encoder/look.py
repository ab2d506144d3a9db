"""The look block: principal components of backbone features, for finding near-identical photos and scenes."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from ml.arrays import Matrix, Vector, require_matrix, unit_rows

MOST_PHOTOS = 20_000  # that the axes are fitted on; more hardly change them
EARLIER = 0.7  # weight of each earlier stage, in units of the last layer's
WHITENING = 0.5  # exponent of the deviations: 0 for plain principal components, 1 for whitened ones


@dataclass(frozen=True, eq=False)
class Look:
    """Projection of features to half-whitened principal axes, after scaling each part as a whole."""

    mean: Vector  # (f,) float32
    scale: Vector  # (f,) float32
    axes: Matrix  # (f, d) float32

    def read(self, features: Matrix) -> Matrix:
        """Look vectors of photos.   (n, f) -> (n, d) float32, unit length"""
        require_matrix(features, columns=len(self.mean))
        return unit_rows(((signed_sqrt(features) - self.mean) * self.scale) @ self.axes)

    def arrays(self) -> dict[str, np.ndarray]:
        return {f"look_{field.name}": getattr(self, field.name) for field in fields(self)}


def fit_look(features: Matrix, parts: Sequence[int], dimension: int, *, seed: int) -> Look:
    """Fit the projection to features (n, f), n >= 1, of a catalogue's photos; parts: lengths of their parts.

    Features of the last layer keep their relative variances. Those of an earlier stage are scaled to equal
    variance, and the stage as a whole to EARLIER times the weight of the last layer.
    """
    rows = np.random.default_rng(seed).permutation(len(features))[:MOST_PHOTOS]
    wide = signed_sqrt(features[np.sort(rows)])
    mean = wide.mean(axis=0)
    scale = _scale(wide - mean, parts)
    centred = unit_rows((wide - mean) * scale)
    squared, axes = np.linalg.eigh(centred.T @ centred)  # smallest first
    deviations = np.sqrt(np.maximum(squared[::-1][:dimension], 1e-12))
    scaled = axes[:, ::-1][:, :dimension] / np.maximum(deviations, 1e-3 * deviations[0]) ** WHITENING
    padded = np.zeros((features.shape[1], dimension), np.float32)
    padded[:, : scaled.shape[1]] = scaled
    return Look(mean, scale, padded)


def signed_sqrt(features: Matrix) -> Matrix:
    """Signed square roots, so that a few large features do not dominate.   -> float32"""
    wide = np.asarray(features, dtype=np.float32)
    return np.sign(wide) * np.sqrt(np.abs(wide))


def _scale(centred: Matrix, parts: Sequence[int]) -> Vector:
    deviations = centred.std(axis=0) + 1e-6  # (f,)
    ends = np.cumsum(parts)
    last = np.full(parts[0], 1 / np.sqrt((deviations[: ends[0]] ** 2).sum()))
    earlier = [
        EARLIER / deviations[end - size : end] / np.sqrt(size)
        for size, end in zip(parts[1:], ends[1:], strict=True)
    ]
    return np.concatenate([last, *earlier]).astype(np.float32)
