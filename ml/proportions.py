"""Shares of those who did something, in groups that were divided by chance: between what they lie."""

import math

import numpy as np
from scipy.special import chdtrc, ndtri

from ml.arrays import Matrix, ShapeError, Vector, require_matrix, require_vector

LEVEL = 0.95


def wilson(successes: int, total: int, level: float = LEVEL) -> tuple[float, float]:
    """Between what a proportion lies: the score interval of Wilson 1927. Of nobody: NaN, NaN.

    Trials are independent: a trial is an actor, not one of the many listings that an actor was shown.
    Raises ShapeError.
    """
    _require_part(successes, total)
    if total == 0:
        return math.nan, math.nan
    z = float(ndtri((1 + level) / 2))
    share, room = successes / total, z**2 / total
    middle = (share + room / 2) / (1 + room)
    half = z * math.sqrt(share * (1 - share) / total + room / (4 * total)) / (1 + room)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def proportion_difference(
    successes: int, total: int, other_successes: int, other_total: int, level: float = LEVEL
) -> tuple[float, float]:
    """Between what a proportion less another one lies, of independent groups. Where one is empty: NaN, NaN.

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


def sample_ratio(counts: Vector, weights: Vector) -> float:
    """How likely it is that chance divides so unevenly: p of Pearson's chi-square test (1900).

    A small one says that something else than chance decided who was counted, and that the groups cannot be
    compared (Fabijan et al. 2019). counts (g,) int64, >= 0; weights (g,) float64, > 0, as the groups were
    meant to be divided. 1 of one group, or of nobody.   Raises ShapeError.
    """
    require_vector(counts, dtypes=[np.int64])
    require_vector(weights, length=len(counts), dtypes=[np.float64])
    if not len(counts) or counts.min() < 0 or not weights.min() > 0:
        raise ShapeError(f"found counts {counts} and weights {weights}")
    expected = counts.sum() * weights / weights.sum()  # (g,)
    if len(counts) == 1 or not counts.sum():
        return 1.0
    return float(chdtrc(len(counts) - 1, ((counts - expected) ** 2 / expected).sum()))


def resampled_ratios(
    numerators: Matrix, denominators: Vector, *, rng: np.random.Generator, sample_count: int = 1000
) -> Matrix:
    """sum(numerator) / sum(denominator) in samples of as many actors, drawn with replacement.

    The bootstrap over whole clusters (Field & Welsh 2007): what an actor did is drawn together.
    numerators (a, c) float64; denominators (a,) float64, >= 0 -> (sample_count, c) float64, NaN over 0.
    Raises ShapeError.
    """
    require_matrix(numerators, dtypes=[np.float64])
    require_vector(denominators, length=len(numerators), dtypes=[np.float64])
    told = np.column_stack([numerators, denominators])  # (a, c + 1)
    sums = np.zeros((sample_count, told.shape[1]))
    if actor_count := len(told):
        for sample in sums:  # one by one: no more is held than a count for each actor
            sample[:] = np.bincount(rng.integers(actor_count, size=actor_count), minlength=actor_count) @ told
    below = sums[:, -1:]
    return np.divide(
        sums[:, :-1], below, out=np.full((sample_count, numerators.shape[1]), np.nan), where=below > 0
    )


def _require_part(successes: int, total: int) -> None:
    if not 0 <= successes <= total:
        raise ShapeError(f"found {successes} of {total}")
