"""What lies near to something that an actor hid or reported is shown later."""

import numpy as np

from ml.arrays import Rows, Vector
from recommendations.taste import Taste
from recommendations.view import View

STRENGTH = 2.0  # deviations of the blend by which the very same thing would fall


def penalties(view: View, taste: Taste, rows: Rows) -> Vector:
    """How far each row is pushed down, by the nearest of what is not wanted.

    The square of the likeness: another chair than the one that was hidden is hardly touched, its twin is.
    rows (n,) int -> (n,) float32 in [0, STRENGTH], in the units of a blended score
    """
    if not len(taste.unwanted):
        return np.zeros(len(rows), np.float32)
    vectors = view.vectors(rows).astype(np.float32)
    likeness = view.comparison.likeness(taste.unwanted, vectors)  # (u, n)
    nearest = np.fmax.reduce(likeness, axis=0, initial=0)
    return (STRENGTH * np.clip(nearest, 0, 1) ** 2).astype(np.float32)
