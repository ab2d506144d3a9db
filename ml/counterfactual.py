"""What another policy would have earned, from slots that were logged: off-policy estimates."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ml.arrays import Rows, ShapeError, Vector, require_vector
from ml.figure import Figure
from ml.metrics import bootstrap_ratio

GREATEST_WEIGHT = 50.0  # above it a single slot would decide; what is clipped biases towards too little
INTEGERS = (np.int32, np.int64)


@dataclass(frozen=True)
class LoggedSlots:
    """Slots that were filled by chance, what followed, and how likely either policy was to fill them so.

    rewards (m,) float, finite: what followed. logged (m,) float in (0, 1]: the propensity with which the slot
    got the listing that it got. target (m,) float in [0, 1]: with which the policy that is asked about would
    have put the same listing there. clusters (m,) int: whose slots these are (an actor's, or a slate's); what
    belongs together is drawn together when intervals are made.   Raises ShapeError.
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
            raise ShapeError("expected a finite reward of each slot")
        if not ((self.logged > 0) & (self.logged <= 1)).all():
            raise ShapeError("expected logged propensities in (0, 1]")
        if not ((self.target >= 0) & (self.target <= 1)).all():
            raise ShapeError("expected target propensities in [0, 1]")
        if not self.greatest_weight > 0:
            raise ShapeError(f"expected weights to be clipped above 0, found {self.greatest_weight}")

    @property
    def weights(self) -> Vector:
        """How much each slot counts for the target policy, clipped (Ionides 2008): (m,) float64"""
        return np.minimum(self._ratios, self.greatest_weight)

    @property
    def clipped_share(self) -> float:
        """The share of slots whose weight was clipped: the more, the more an estimate is too low."""
        return _mean(self._ratios > self.greatest_weight)

    @property
    def effective_sample_size(self) -> float:
        """How many slots of equal weight would be as telling: (sum w)^2 / sum w^2 (Kish 1965); 0 of none."""
        weights = self.weights
        squares = (weights**2).sum()
        return float(weights.sum() ** 2 / squares) if squares > 0 else 0.0

    @property
    def _ratios(self) -> Vector:
        return self.target.astype(np.float64) / self.logged.astype(np.float64)


@dataclass(frozen=True)
class Estimate(Figure):
    """A mean reward a slot."""

    effective_sample_size: float
    clipped_share: float


# numerator and denominator (m,) -> the bounds of the ratio of their sums
Interval = Callable[[Vector, Vector, Rows], tuple[float, float]]


def cluster_interval(rng: np.random.Generator, *, sample_count: int = 1000, level: float = 0.95) -> Interval:
    """The percentile bootstrap (Efron 1979) over whole clusters (Field & Welsh 2007)."""

    def interval(numerator: Vector, denominator: Vector, clusters: Rows) -> tuple[float, float]:
        names, own = np.unique(clusters, return_inverse=True)
        above, below = (
            np.bincount(own, part, minlength=len(names)).astype(np.float64)  # of no slots it makes integers
            for part in (numerator, denominator)
        )
        return bootstrap_ratio(above, below, rng=rng, sample_count=sample_count, level=level)

    return interval


def logged_mean(slots: LoggedSlots, interval: Interval) -> Estimate:
    """What the logging policy itself earned: what a target policy must beat, and no estimate of it."""
    everything = np.ones(len(slots.rewards))
    return Estimate(
        _mean(slots.rewards),
        *interval(slots.rewards.astype(np.float64), everything, slots.clusters),
        effective_sample_size=float(len(slots.rewards)),
        clipped_share=0.0,
    )


def inverse_propensity(slots: LoggedSlots, interval: Interval) -> Estimate:
    """The mean of w r (Horvitz & Thompson 1952): right in the mean where nothing is clipped, and restless."""
    return _ratio(slots, slots.weights * slots.rewards, np.ones(len(slots.rewards)), interval)


def self_normalised(slots: LoggedSlots, interval: Interval) -> Estimate:
    """sum w r / sum w (Swaminathan & Joachims 2015): hardly biased, calmer, and never outside the rewards.

    NaN where no slot is one that the target policy would have filled so.
    """
    weights = slots.weights
    return _ratio(slots, weights * slots.rewards, weights, interval)


def doubly_robust(slots: LoggedSlots, predicted: Vector, expected: Vector, interval: Interval) -> Estimate:
    """The mean of expected + w (r - predicted) (Dudík, Langford & Li 2011).

    Right in the mean if either the propensities or the predictions are, and calmer the better they predict.
    predicted (m,) float: the reward that a model foretells of the listing that was shown; expected (m,)
    float: of what the target policy would show, the mean over its choices. The model must not have learned
    from these slots.   Raises ShapeError.
    """
    for values in (predicted, expected):
        require_vector(values, length=len(slots.rewards))
        if not np.isfinite(values).all():
            raise ShapeError("expected a finite prediction for each slot")
    corrected = expected.astype(np.float64) + slots.weights * (slots.rewards - predicted)
    return _ratio(slots, corrected, np.ones(len(slots.rewards)), interval)


def _ratio(slots: LoggedSlots, numerator: Vector, denominator: Vector, interval: Interval) -> Estimate:
    total = denominator.sum()
    return Estimate(
        float(numerator.sum() / total) if total > 0 else float("nan"),
        *interval(numerator, denominator, slots.clusters),
        effective_sample_size=slots.effective_sample_size,
        clipped_share=slots.clipped_share,
    )


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values, dtype=np.float64)) if len(values) else float("nan")
