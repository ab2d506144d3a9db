"""Off-policy evaluation: estimates of the mean reward of a target policy from logged slots."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ml.arrays import Rows, ShapeError, Vector, require_vector
from ml.evaluation.estimate import IntervalEstimate
from ml.evaluation.ranking_metrics import bootstrap_ratio

GREATEST_WEIGHT = 50.0  # limits the influence of one slot; clipping biases estimates downwards
INTEGERS = (np.int32, np.int64)


@dataclass(frozen=True)
class LoggedSlots:
    """Slots that were filled at random, their rewards, and the propensities of both policies.

    rewards (m,) float, finite. logged (m,) float in (0, 1]: the propensity with which the logging policy put
    this listing into this slot. target (m,) float in [0, 1]: the propensity of the target policy for the
    same. clusters (m,) int: the actor or slate of each slot; bootstrap samples draw whole clusters.
    Raises ShapeError.
    """

    rewards: Vector
    logged: Vector
    target: Vector
    clusters: Rows
    greatest_weight: float = GREATEST_WEIGHT

    def __post_init__(self) -> None:
        for values in (self.rewards, self.logged, self.target):
            require_vector(values, length=len(self.rewards))
        require_vector(self.clusters, length=len(self.rewards), dtypes=INTEGERS)
        if not np.isfinite(self.rewards).all():
            raise ShapeError("expected finite rewards, found NaN or infinity")
        if not ((self.logged > 0) & (self.logged <= 1)).all():
            raise ShapeError("expected logged propensities in (0, 1]")
        if not ((self.target >= 0) & (self.target <= 1)).all():
            raise ShapeError("expected target propensities in [0, 1]")
        if not self.greatest_weight > 0:
            raise ShapeError(f"expected a greatest weight above 0, found {self.greatest_weight}")

    @property
    def weights(self) -> Vector:
        """Importance weights target / logged, clipped (Ionides 2008): (m,) float64"""
        return np.minimum(self._ratios, self.greatest_weight)

    @property
    def clipped_share(self) -> float:
        """Share of slots whose weight was clipped. A large share means that estimates are too low."""
        return _mean(self._ratios > self.greatest_weight)

    @property
    def effective_sample_size(self) -> float:
        """Effective sample size (sum w)^2 / sum w^2 (Kish 1965); 0 without slots."""
        weights = self.weights
        squares = (weights**2).sum()
        return float(weights.sum() ** 2 / squares) if squares > 0 else 0.0

    @property
    def _ratios(self) -> Vector:
        return self.target.astype(np.float64) / self.logged.astype(np.float64)


@dataclass(frozen=True)
class PolicyEstimate(IntervalEstimate):
    """A mean reward per slot, with its confidence interval and diagnostics."""

    effective_sample_size: float
    clipped_share: float


# numerator, denominator and clusters (m,) -> bounds of the ratio of the sums
IntervalMethod = Callable[[Vector, Vector, Rows], tuple[float, float]]


def cluster_interval(
    rng: np.random.Generator, *, sample_count: int = 1000, level: float = 0.95
) -> IntervalMethod:
    """An interval by the percentile bootstrap (Efron 1979) over whole clusters (Field & Welsh 2007)."""

    def interval(numerator: Vector, denominator: Vector, clusters: Rows) -> tuple[float, float]:
        names, cluster_of_slot = np.unique(clusters, return_inverse=True)
        above, below = (
            np.bincount(cluster_of_slot, part, minlength=len(names)).astype(
                np.float64
            )  # integers when there are no slots
            for part in (numerator, denominator)
        )
        return bootstrap_ratio(above, below, rng=rng, sample_count=sample_count, level=level)

    return interval


def logged_mean(slots: LoggedSlots, interval: IntervalMethod) -> PolicyEstimate:
    """Mean reward of the logging policy, the baseline that a target policy must beat."""
    everything = np.ones(len(slots.rewards))
    return PolicyEstimate(
        _mean(slots.rewards),
        *interval(slots.rewards.astype(np.float64), everything, slots.clusters),
        effective_sample_size=float(len(slots.rewards)),
        clipped_share=0.0,
    )


def self_normalised(slots: LoggedSlots, interval: IntervalMethod) -> PolicyEstimate:
    """Self-normalised inverse propensity: sum w r / sum w (Swaminathan & Joachims 2015).

    Slightly biased, of lower variance than the plain estimate, and never outside the range of rewards. NaN
    when the target policy would have filled none of the slots with the logged listings.
    """
    weights = slots.weights
    return _ratio(slots, weights * slots.rewards, weights, interval)


def doubly_robust(
    slots: LoggedSlots, predicted: Vector, expected: Vector, interval: IntervalMethod
) -> PolicyEstimate:
    """Doubly robust estimate: the mean of expected + w (r - predicted) (Dudík, Langford & Li 2011).

    Unbiased if either the propensities or the predictions are right; better predictions lower its variance.
    predicted (m,) float: a model's reward of the listing that was shown; expected (m,) float: the model's
    mean reward of the listings that the target policy would show. The model must not have learned from
    these slots.   Raises ShapeError.
    """
    for values in (predicted, expected):
        require_vector(values, length=len(slots.rewards))
        if not np.isfinite(values).all():
            raise ShapeError("expected finite predictions, found NaN or infinity")
    corrected = expected.astype(np.float64) + slots.weights * (slots.rewards - predicted)
    return _ratio(slots, corrected, np.ones(len(slots.rewards)), interval)


def _ratio(
    slots: LoggedSlots, numerator: Vector, denominator: Vector, interval: IntervalMethod
) -> PolicyEstimate:
    total = denominator.sum()
    return PolicyEstimate(
        float(numerator.sum() / total) if total > 0 else float("nan"),
        *interval(numerator, denominator, slots.clusters),
        effective_sample_size=slots.effective_sample_size,
        clipped_share=slots.clipped_share,
    )


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values, dtype=np.float64)) if len(values) else float("nan")
