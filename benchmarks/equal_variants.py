"""A/A runs: experiments whose variants are equal, and how often their report says that they differ.

Actors are served as many listings as heavy-tailed visits bring (Pareto, 1.2), and each has rates of their
own.
"""

import numpy as np

from ml.evaluation.ratios import greatest_counted, ratio_of
from recommendations.analysis.experiment_arms import OUTCOMES, Arm, Totals, arms_of
from recommendations.analysis.experiment_differences import PRIMARY
from recommendations.models.experiments import CONTROL

SEED, RUNS, ACTORS = 43, 2000, 400
TAIL = 1.2
RATES = {"view": 0.2, "click": 0.1, "favourite": 0.03, "purchase": 0.005}
STRENGTH = 10.0  # of the beta distribution that an actor's rates come from
VARIANT = "same"


def rejections(*, run_count: int = RUNS, actor_count: int = ACTORS) -> dict[str, float]:
    """The shares of A/A runs in which an interval of a difference excludes 0.

    primary: that of the primary measure; others: any of the other seven; any: any of the eight; heavy_tail:
    that of clicks over served listings by itself, at 95 %.
    """
    rng = np.random.default_rng(SEED)
    found = np.array([_run(rng, actor_count) for _ in range(run_count)]).mean(axis=0)
    names = ("primary", "others", "any", "heavy_tail")
    shares = zip(names, found.tolist(), strict=True)
    return {f"equal_variants_{name}": round(share, 4) for name, share in shares}


def _run(rng: np.random.Generator, actor_count: int) -> tuple[bool, bool, bool, bool]:
    totals = {name: _drawn(rng, actor_count) for name in (CONTROL, VARIANT)}
    _, arm = arms_of(totals, {CONTROL: 1.0, VARIANT: 1.0})
    primary, others = _excluded(arm)
    return primary, others, primary or others, _heavy_tail(totals)


def _excluded(arm: Arm) -> tuple[bool, bool]:
    """Whether the interval of the primary measure excludes 0, and whether any other one does."""
    figures = {("of_actors", kind): figure for kind, figure in arm.of_actors_over_control.items()}
    figures |= {("of_served", kind): figure for kind, figure in arm.of_served_over_control.items()}
    apart = {measure: figure.low > 0 or figure.high < 0 for measure, figure in figures.items()}
    primary = apart.pop(PRIMARY)
    return primary, any(apart.values())


def _heavy_tail(totals: dict[str, Totals]) -> bool:
    greatest = greatest_counted(np.concatenate([part.served for part in totals.values()]))
    place = OUTCOMES.index("click")
    ratios = [
        ratio_of(part.hits[:, place].copy(), part.served, greatest=greatest) for part in totals.values()
    ]
    low, high = ratios[0].over(ratios[1])
    return low > 0 or high < 0


def _drawn(rng: np.random.Generator, actor_count: int) -> Totals:
    served = np.ceil(1 + rng.pareto(TAIL, actor_count)).astype(np.int64)
    rates = [_rates(rng, RATES[kind], actor_count) for kind in OUTCOMES]
    hits = np.column_stack([rng.binomial(served, of_actors) for of_actors in rates])
    return Totals(np.ones(actor_count), served.astype(np.float64), hits.astype(np.float64))


def _rates(rng: np.random.Generator, mean: float, actor_count: int) -> np.ndarray:
    return rng.beta(STRENGTH * mean, STRENGTH * (1 - mean), actor_count)
