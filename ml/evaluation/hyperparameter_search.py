"""Hyper-parameter search on a validation split: coordinate ascent with halving steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

LEAST_GAIN = 3e-4  # relative to the score; a smaller gain is taken for chance and ends a direction

Values = dict[str, float]
Measure = Callable[[Values], float]


@dataclass(frozen=True)
class Hyperparameter:
    """One hyper-parameter: its start value, step and range."""

    name: str
    start: float
    step: float  # added or subtracted; with `is_scale`, multiplied or divided by
    least: float
    most: float
    is_scale: bool = False

    def moved(self, value: float, direction: int, halvings: int) -> float:
        """The value one step up (1) or down (-1), clipped to the range."""
        share = 0.5**halvings
        moved = (
            value * self.step ** (direction * share)
            if self.is_scale
            else value + direction * self.step * share
        )
        return round(min(max(moved, self.least), self.most), 6)


@dataclass(frozen=True)
class Trial:
    """Values that were evaluated, and their score."""

    values: Values
    score: float


def coordinate_ascent(
    measure: Measure,
    dials: Sequence[Hyperparameter],
    *,
    rounds: int = 2,
    expired: Callable[[], bool] = lambda: False,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> Trial:
    """The best trial found by coordinate ascent, never worse than the start; no values are evaluated twice.

    measure(values) -> a score, higher is better. Each round goes through the dials with half the step of the
    previous round, and moves a dial for as long as the score gains. Search ends when `expired()` is true,
    which is checked before each trial. `on_trial` is called with each trial.
    """
    trials: dict[tuple[float, ...], Trial] = {}

    def attempt(values: Values) -> Trial:
        key = tuple(values[dial.name] for dial in dials)
        if key not in trials:
            trials[key] = Trial(values, measure(values))
            on_trial(trials[key])
        return trials[key]

    best = attempt({dial.name: dial.start for dial in dials})
    for halvings in range(rounds):
        for dial in dials:
            best = _follow(attempt, best, dial, halvings, expired)
    return best


def _follow(
    attempt: Callable[[Values], Trial],
    best: Trial,
    dial: Hyperparameter,
    halvings: int,
    expired: Callable[[], bool],
) -> Trial:
    """Move a dial up for as long as the score gains; down if the first step up brought no gain."""
    for direction in (1, -1):
        start = best
        while not expired():
            values = best.values | {dial.name: dial.moved(best.values[dial.name], direction, halvings)}
            trial = attempt(values)
            if not trial.score > best.score * (1 + LEAST_GAIN):  # a score of NaN is no gain either
                break
            best = trial
        if best is not start:
            break
    return best
