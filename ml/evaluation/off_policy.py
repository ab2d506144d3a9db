"""Off-policy evaluation: estimates of the mean reward of a target policy from logged slots."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri, stdtrit

from ml.arrays import Rows, ShapeError, Vector, require_vector
from ml.evaluation.estimate import IntervalEstimate
from ml.evaluation.ranking_metrics import bootstrap_ratio
from ml.ranking.exploration import ROUNDS

# One over the least propensity that exploration counts. Nothing that it logged is clipped: a lower limit had
# estimates of what chance rarely picks at half the truth, or at the reward model's guess.
GREATEST_WEIGHT = float(ROUNDS)
# Slots that agree and their effective number: below either nothing is estimated.
LEAST_AGREEING, LEAST_EFFECTIVE = 20, 10.0
UNSEEN = 3.7  # greatest mean of events of which 2.5 % of samples hold none: -log(.025), the "rule of three"
INTEGERS = (np.int32, np.int64)


@dataclass(frozen=True)
class LoggedSlots:
    """Slots that were filled at random, their rewards, and the propensities of both policies.

    rewards (m,) float, finite. logged (m,) float in (0, 1]: the propensity with which the logging policy put
    this listing into this slot. target (m,) float in [0, 1]: the propensity of the target policy for the
    same. clusters (m,) int: the actor or slate of each slot; bootstrap samples draw whole clusters.
    least, greatest: the rewards that are possible; no estimate or bound lies outside.
    Raises ShapeError.
    """

    rewards: Vector
    logged: Vector
    target: Vector
    clusters: Rows
    greatest_weight: float = GREATEST_WEIGHT
    least: float = -np.inf
    greatest: float = np.inf

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
        if not ((self.rewards >= self.least) & (self.rewards <= self.greatest)).all():
            raise ShapeError(f"expected rewards in [{self.least}, {self.greatest}]")

    @property
    def weights(self) -> Vector:
        """Importance weights target / logged, clipped (Ionides 2008): (m,) float64"""
        return np.minimum(self._ratios, self.greatest_weight)

    @property
    def clipped_share(self) -> float:
        """Share of the agreeing slots whose weight was clipped; NaN where none agrees."""
        return _mean(self._ratios[self.target > 0] > self.greatest_weight)

    @property
    def mean_weight(self) -> float:
        """Mean weight of all slots: about 1 where propensities are right and nothing is clipped or missed."""
        return _mean(self.weights)

    @property
    def is_enough(self) -> bool:
        """Whether so many slots agree with the target policy that an estimate is given at all."""
        agreeing = np.count_nonzero(self.target)
        return bool(agreeing >= LEAST_AGREEING and self.effective_sample_size >= LEAST_EFFECTIVE)

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
    mean_weight: float = 1.0


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
    value = _mean(slots.rewards)
    bounds = interval(slots.rewards.astype(np.float64), everything, slots.clusters)
    low, high = np.clip(_expanded(value, *bounds, len(everything)), slots.least, slots.greatest).tolist()
    return PolicyEstimate(
        value,
        low,
        high,
        effective_sample_size=float(len(slots.rewards)),
        clipped_share=0.0,
    )


def self_normalised(slots: LoggedSlots, interval: IntervalMethod) -> PolicyEstimate:
    """Self-normalised inverse propensity: sum w r / sum w (Swaminathan & Joachims 2015).

    Slightly biased, of lower variance than the plain estimate, and never outside the range of rewards. NaN
    when the target policy would have filled too few of the slots with the logged listings.
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
    these slots. NaN when too few slots agree.   Raises ShapeError.
    """
    for values in (predicted, expected):
        require_vector(values, length=len(slots.rewards))
        if not np.isfinite(values).all():
            raise ShapeError("expected finite predictions, found NaN or infinity")
    correction = slots.weights * (slots.rewards - predicted)
    plain = _ratio(slots, expected.astype(np.float64) + correction, np.ones(len(slots.rewards)), interval)
    if not slots.is_enough:
        return plain
    # Where few great weights were drawn, the plain interval is too near to the model's guess and too narrow.
    # The interval therefore includes that of the self-normalised correction.
    ends = np.array(interval(correction, slots.weights, slots.clusters)) + expected.mean()
    low, high = np.clip(ends, slots.least, slots.greatest).tolist()
    return replace(plain, low=min(plain.low, low), high=max(plain.high, high))


def _ratio(
    slots: LoggedSlots, numerator: Vector, denominator: Vector, interval: IntervalMethod
) -> PolicyEstimate:
    value, low, high = np.nan, np.nan, np.nan
    if slots.is_enough:
        value = numerator.sum() / denominator.sum()
        bounds = interval(numerator, denominator, slots.clusters)
        low, high = _expanded(value, *bounds, slots.effective_sample_size)
        # A bootstrap draws what was seen. Rewards that few slots would bring may not have been among them.
        unseen = min(UNSEEN / slots.effective_sample_size, 1)
        low = min(low, value - unseen * max(value - slots.rewards.min(), 0))
        high = max(high, value + unseen * max(slots.rewards.max() - value, 0))
    value, low, high = np.clip([value, low, high], slots.least, slots.greatest).tolist()
    return PolicyEstimate(
        value,
        low,
        high,
        effective_sample_size=slots.effective_sample_size,
        clipped_share=slots.clipped_share,
        mean_weight=slots.mean_weight,
    )


def _expanded(value: float, low: float, high: float, count: float) -> tuple[float, float]:
    """A bootstrap interval, widened for few slots as Student's is over the normal one (Hesterberg 2015)."""
    if count < 2:
        return low, high
    factor = float(stdtrit(count - 1, 0.975) / ndtri(0.975) * np.sqrt(count / (count - 1)))
    return value - factor * (value - low), value + factor * (high - value)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values, dtype=np.float64)) if len(values) else float("nan")
