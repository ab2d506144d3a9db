"""Choosing hyper-parameters on a validation split: one dial at a time, with steps that halve."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

LEAST_GAIN = 3e-4  # of the score: what is below it is chance, and not worth a trial

Values = dict[str, float]
Measure = Callable[[Values], float]


@dataclass(frozen=True)
class Dial:
    """One hyper-parameter: where to start, how far to step, and between which ends."""

    name: str
    start: float
    step: float  # added and taken away; with `is_scale`, multiplied and divided by
    least: float
    most: float
    is_scale: bool = False

    def moved(self, value: float, direction: int, halvings: int) -> float:
        """The value one step up (1) or down (-1), at its end if it would leave the range."""
        share = 0.5**halvings
        moved = (
            value * self.step ** (direction * share)
            if self.is_scale
            else value + direction * self.step * share
        )
        return round(min(max(moved, self.least), self.most), 6)


@dataclass(frozen=True)
class Trial:
    """Values that were tried, and what they scored."""

    values: Values
    score: float


def search(
    measure: Measure,
    dials: Sequence[Dial],
    *,
    rounds: int = 2,
    expired: Callable[[], bool] = lambda: False,
    told: Callable[[Trial], None] = lambda trial: None,
) -> Trial:
    """The best values found by coordinate ascent; never worse than the start, and no values are tried twice.

    measure(values) -> a score, higher is better. Each round goes through the dials with half the step of
    the one before, and follows a dial for as long as it gains. `expired` is asked before each trial;
    `told` hears of each.
    """
    tried: dict[tuple[float, ...], Trial] = {}

    def attempt(values: Values) -> Trial:
        key = tuple(values[dial.name] for dial in dials)
        if key not in tried:
            tried[key] = Trial(values, measure(values))
            told(tried[key])
        return tried[key]

    best = attempt({dial.name: dial.start for dial in dials})
    for halvings in range(rounds):
        for dial in dials:
            best = _follow(attempt, best, dial, halvings, expired)
    return best


def _follow(
    attempt: Callable[[Values], Trial], best: Trial, dial: Dial, halvings: int, expired: Callable[[], bool]
) -> Trial:
    """Up for as long as it gains; down where up never did."""
    for direction in (1, -1):
        start = best
        while not expired():
            values = best.values | {dial.name: dial.moved(best.values[dial.name], direction, halvings)}
            trial = attempt(values)
            if not trial.score > best.score * (1 + LEAST_GAIN):  # nor is NaN a gain
                break
            best = trial
        if best is not start:
            break
    return best
