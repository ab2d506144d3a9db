"""Several differences at once: levels at which their intervals may be read together."""

from collections.abc import Callable

import numpy as np

from ml.arrays import Vector, require_vector

ALPHA = 0.05
HALVINGS = 50

Interval = Callable[[float], tuple[float, float]]  # of a confidence level


def p_value(interval: Interval) -> float:
    """The least significance at which an interval excludes 0: NaN where unknown, 1 where it never does."""
    if np.isnan(interval(0.5)).any():
        return float("nan")
    least, greatest = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (least + greatest) / 2
        low, high = interval(1 - middle)
        least, greatest = (least, middle) if low > 0 or high < 0 else (middle, greatest)
    return greatest


def holm_levels(p_values: Vector, alpha: float = ALPHA) -> Vector:
    """The confidence level of each difference, so that of all intervals none is wrong about 0 in 1 - alpha.

    The step-down procedure of Holm 1979: the least of m p-values is compared with alpha / m, the next one
    with alpha / (m - 1) and so on, until one is greater; all that follow keep its level. An interval at its
    level excludes 0 exactly if the procedure rejects.
    p_values (m,), NaN = unknown and not counted -> (m,) float64, NaN for those.   Raises ShapeError.
    """
    require_vector(p_values, dtypes=[np.float64])
    levels = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    steps = alpha / (len(order) - np.arange(len(order)))
    kept = np.flatnonzero(p_values[order] > steps)
    if len(kept):
        steps[kept[0] :] = steps[kept[0]]
    levels[order] = 1 - steps
    return levels
