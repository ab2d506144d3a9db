"""Differences of an experiment's variants from the control: one primary measure, the others adjusted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import nan

import numpy as np

from ml.evaluation.estimate import IntervalEstimate
from ml.evaluation.multiple_testing import Interval, holm_levels, p_value
from recommendations.models.events import Interaction

# What an experiment is decided by. Everything else is reported, at levels that Holm's procedure gives.
PRIMARY = ("of_actors", Interaction.Kind.CLICK.value)

Measure = tuple[str, str]  # base and kind of event


@dataclass(frozen=True)
class Difference(IntervalEstimate):
    """A difference from the control. Its interval holds at a confidence level of its own."""

    level: float


@dataclass(frozen=True)
class Comparison:
    """A difference before its level is known. interval: its bounds by level, NaN where it is unknown."""

    value: float
    interval: Interval


def adjusted(comparisons: Mapping[tuple[str, Measure], Comparison]) -> dict[tuple[str, Measure], Difference]:
    """The differences of all variants, by variant and measure, at levels that allow to read them together.

    The primary measure of all variants is one family, all other measures are another: in an experiment of
    equal variants an interval of either family excludes 0 in 5 % at most.
    """
    found: dict[tuple[str, Measure], Difference] = {}
    for family in _families(comparisons):
        levels = holm_levels(np.array([p_value(comparisons[key].interval) for key in family], np.float64))
        for key, level in zip(family, levels.tolist(), strict=True):
            found[key] = _at(comparisons[key], level)
    return found


def _families(keys: Iterable[tuple[str, Measure]]) -> list[list[tuple[str, Measure]]]:
    primary: list[tuple[str, Measure]] = []
    others: list[tuple[str, Measure]] = []
    for key in keys:
        (primary if key[1] == PRIMARY else others).append(key)
    return [primary, others]


def _at(comparison: Comparison, level: float) -> Difference:
    bounds = (nan, nan) if np.isnan(level) else comparison.interval(level)
    return Difference(comparison.value, *bounds, level=level)


def unknown_interval(level: float) -> tuple[float, float]:
    """The interval of a difference that too few actors speak for."""
    return nan, nan
