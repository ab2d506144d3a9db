"""Confidence intervals of proportions in randomised groups, and the sample ratio test."""

import math

import numpy as np
from scipy.special import chdtrc, ndtri

from ml.arrays import Rows, ShapeError, Vector, require_vector

LEVEL = 0.95


def wilson(successes: int, total: int, level: float = LEVEL) -> tuple[float, float]:
    """Confidence interval of a proportion: the score interval of Wilson 1927. NaN, NaN when total is 0.

    Trials must be independent: a trial is an actor, not one of the listings that an actor was shown.
    Raises ShapeError.
    """
    _require_part(successes, total)
    if total == 0:
        return math.nan, math.nan
    z = float(ndtri((1 + level) / 2))
    share, correction = successes / total, z**2 / total
    centre = (share + correction / 2) / (1 + correction)
    half = z * math.sqrt(share * (1 - share) / total + correction / (4 * total)) / (1 + correction)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def proportion_difference(
    successes: int, total: int, other_successes: int, other_total: int, level: float = LEVEL
) -> tuple[float, float]:
    """Confidence interval of the difference of two independent proportions. NaN, NaN if a group is empty.

    Method 10 of Newcombe 1998, from the score intervals of both.   Raises ShapeError.
    """
    low, high = wilson(successes, total, level)
    other_low, other_high = wilson(other_successes, other_total, level)
    if 0 in (total, other_total):
        return math.nan, math.nan
    share, other = successes / total, other_successes / other_total
    return (
        share - other - math.hypot(share - low, other_high - other),
        share - other + math.hypot(high - share, other - other_low),
    )


def sample_ratio_p_value(counts: Rows, weights: Vector) -> float:
    """p-value of the sample ratio test: Pearson's chi-square (1900) of group sizes against their weights.

    A small value means that assignment or counting is not random, so the groups cannot be compared (Fabijan
    et al. 2019). counts (g,) int64, >= 0; weights (g,) float64, > 0: intended shares. Returns 1 for a single
    group or when all counts are 0.   Raises ShapeError.
    """
    require_vector(counts, dtypes=[np.int64])
    require_vector(weights, length=len(counts), dtypes=[np.float64])
    if not len(counts) or counts.min() < 0 or not weights.min() > 0:
        raise ShapeError(f"expected counts >= 0 and weights > 0, found {counts} and {weights}")
    expected = counts.sum() * weights / weights.sum()  # (g,)
    if len(counts) == 1 or not counts.sum():
        return 1.0
    return float(chdtrc(len(counts) - 1, ((counts - expected) ** 2 / expected).sum()))


def _require_part(successes: int, total: int) -> None:
    if not 0 <= successes <= total:
        raise ShapeError(f"expected 0 <= successes <= total, found {successes} of {total}")
