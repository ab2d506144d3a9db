"""Distances on the earth. Serving imports this module."""

import numpy as np

from ml.arrays import Matrix, require_matrix

EARTH_RADIUS_KM = 6371.0
LEAST = 0.02  # nearness of what is far from everything: it is not ever farther


def distances_km(here: Matrix, there: Matrix) -> Matrix:
    """Between all pairs of points, by the haversine formula (Sinnott 1984).

    Latitude and longitude in degrees, (n, 2) and (m, 2) -> (n, m) float32 kilometres, NaN where one is NaN
    """
    one, other = (np.radians(require_matrix(side, columns=2), dtype=np.float32) for side in (here, there))
    half = np.sin((one[:, None] - other[None]) / 2) ** 2  # (n, m, 2)
    chord = half[..., 0] + np.cos(one[:, :1]) * np.cos(other[:, 0]) * half[..., 1]
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(chord.clip(0, 1)))
