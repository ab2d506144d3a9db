"""What is estimated is never told without how sure it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A rate, a mean or a difference of two, and between what it lies at 95 %. NaN where it is not known."""

    value: float
    low: float
    high: float
