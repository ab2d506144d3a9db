"""Estimates with confidence intervals."""

from dataclasses import dataclass


@dataclass(frozen=True)
class IntervalEstimate:
    """A rate, a mean or a difference of two, with its 95 % confidence interval. NaN where it is unknown."""

    value: float
    low: float
    high: float
