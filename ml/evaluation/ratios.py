"""Ratios over actors, such as clicks over served listings, whose counts have heavy tails."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from ml.arrays import ShapeError, Vector, require_vector

LEVEL = 0.95
CAPPED = 0.05  # of all actors, those with the greatest counts, who count as the next one does


@dataclass(frozen=True)
class Ratio:
    """sum(numerator) / sum(denominator) over actors, its variance, and the number of actors."""

    value: float
    variance: float
    actor_count: int

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Student's interval. NaN, NaN with fewer than two actors."""
        return _interval(self.value, self.variance, self.actor_count - 1, level)

    def over(self, other: "Ratio", level: float = LEVEL) -> tuple[float, float]:
        """The interval of the difference from an independent ratio (Welch 1947)."""
        difference, variance = self.value - other.value, self.variance + other.variance
        freedom = 0.0
        if min(self.actor_count, other.actor_count) > 1 and variance > 0:
            parts = [(each.variance**2) / (each.actor_count - 1) for each in (self, other)]
            freedom = variance**2 / sum(parts)
        return _interval(difference, variance, freedom, level)


def greatest_counted(denominators: Vector, share: float = CAPPED) -> float:
    """The count above which an actor counts as if they had only so many; infinite for few actors.

    denominators (a,) of the actors of all groups together, so that chance does not cap one group lower.
    """
    require_vector(denominators)
    capped = int(share * len(denominators))
    return float(np.sort(denominators)[-capped - 1]) if capped else math.inf


def ratio_of(numerators: Vector, denominators: Vector, *, greatest: float = math.inf) -> Ratio:
    """The ratio of two sums over actors, with its variance by linearisation (Deng et al. 2018).

    numerators, denominators (a,) float64 >= 0. An actor whose denominator exceeds `greatest` counts with that
    one and the same ratio: with heavy tails a few actors decide the mean, and the interval is too narrow.
    NaN over 0.   Raises ShapeError.
    """
    require_vector(numerators, dtypes=[np.float64])
    require_vector(denominators, length=len(numerators), dtypes=[np.float64])
    if (numerators < 0).any() or (denominators < 0).any():
        raise ShapeError("expected counts of 0 or more")
    weights = np.minimum(1, greatest / np.maximum(denominators, 1e-300))
    counts, bases = numerators * weights, denominators * weights
    count, total = len(bases), float(bases.sum())
    if not total:
        return Ratio(math.nan, math.nan, count)
    value = float(counts.sum()) / total
    linear = (counts - value * bases) / (total / count)
    variance = float(linear.var(ddof=1)) / count if count > 1 else math.nan
    return Ratio(value, variance, count)


def _interval(value: float, variance: float, freedom: float, level: float) -> tuple[float, float]:
    if not freedom > 0:
        return math.nan, math.nan
    half = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(variance)
    return value - half, value + half
