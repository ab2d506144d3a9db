"""Comparison of a trained model with what serves before it, to decide whether it may be published.

A collaborative model is refused only if it is worse than the active one or than popularity, because without a
newer model the recent past is missing. A ranker is accepted only if it is better than the blend, which serves
well without a ranker.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.arrays import Rows, Vector
from ml.evaluation.off_policy import cluster_interval
from ml.evaluation.ranking_metrics import bootstrap_difference

LEAST_CASES = 30  # actors to evaluate on; with fewer, chance alone decides
LEAST_CLUSTERS = 10  # actors with held-back slates; a bootstrap over fewer makes its interval too narrow
SEED = 11
BASELINE_NAMES = {"popularity": "what is popular", "active": "the active model"}


@dataclass(frozen=True)
class GateVerdict:
    """Whether a model is accepted, the reason, and the figures behind it, which JSON can hold."""

    accepted: bool
    reason: str
    metrics: dict[str, Any]


def judge(*, candidate: Vector, popularity: Vector, active: Vector | None = None) -> GateVerdict:
    """Compare a collaborative model with its baselines by NDCG@20 of the same actors (a,).

    NaN marks an actor without anything relevant. The model is refused if the 95 % interval of the mean
    difference to a baseline, by a paired bootstrap over actors, lies below 0. With fewer than LEAST_CASES
    actors it is accepted. active is None if no other model can be compared with.
    """
    case_count = int(np.count_nonzero(~np.isnan(candidate)))
    metrics: dict[str, Any] = {"test_cases": case_count}
    if case_count < LEAST_CASES:
        return GateVerdict(
            True, f"Not judged: {case_count} test cases are fewer than {LEAST_CASES}.", metrics
        )
    baselines = {"popularity": popularity} | ({} if active is None else {"active": active})
    gains = {name: _interval(candidate, baseline) for name, baseline in baselines.items()}
    metrics |= {"ndcg": _mean(candidate)}
    metrics |= {f"ndcg_{name}": _mean(baseline) for name, baseline in baselines.items()}
    metrics |= {f"gain_over_{name}": gain for name, gain in gains.items()}
    worse_than = [name for name, (_, highest) in gains.items() if highest < 0]
    return GateVerdict(not worse_than, _reason(worse_than, metrics), metrics)


def _reason(worse_than: list[str], metrics: dict[str, Any]) -> str:
    baselines = ", ".join(
        f"{words} {metrics[f'ndcg_{name}']:.4f}"
        for name, words in BASELINE_NAMES.items()
        if f"ndcg_{name}" in metrics
    )
    figures = f"NDCG@20 {metrics['ndcg']:.4f} against {baselines}, on {metrics['test_cases']} test cases."
    if not worse_than:
        return figures
    return f"Worse than {' and '.join(BASELINE_NAMES[name] for name in worse_than)}: {figures}"


def judge_order(*, candidate: Vector, blend: Vector, weights: Vector, actors: Rows) -> GateVerdict:
    """Compare a ranker with the blend by NDCG@20 of the same held-back slates (q,).

    weights (q,) > 0 of the slates; actors (q,) int, whom each slate was made for. The ranker is accepted only
    if the 95 % interval of the mean difference, by a paired bootstrap over actors, lies above 0.
    """
    actor_count = len(np.unique(actors))
    interval = cluster_interval(np.random.default_rng(SEED))
    gain = rounded_bounds(interval((candidate - blend) * weights, weights, actors))
    metrics = {
        "held_back_slates": len(actors),
        "held_back_actors": actor_count,
        "ndcg": round(float(np.average(candidate, weights=weights)), 4),
        "ndcg_blend": round(float(np.average(blend, weights=weights)), 4),
        "gain_over_blend": gain,
    }
    is_enough = actor_count >= LEAST_CLUSTERS
    accepted = is_enough and gain[0] > 0
    return GateVerdict(accepted, f"{_objection(accepted, is_enough)}{_figures_of_order(metrics)}", metrics)


def rounded_bounds(bounds: tuple[float, float]) -> list[float]:
    """Bounds of an interval as they are recorded, and as verdicts compare them with 0.

    Compared unrounded, the last bit of a sum, which differs between processors, would decide a tie.
    """
    return [round(bound, 4) + 0.0 for bound in bounds]  # + 0.0 makes -0.0 a 0.0


def _objection(accepted: bool, is_enough: bool) -> str:
    if accepted:
        return ""
    if is_enough:
        return "Not better than the blend by more than chance: "
    return f"Held-back slates of fewer than {LEAST_CLUSTERS} actors decide nothing: "


def _figures_of_order(metrics: dict[str, Any]) -> str:
    low, high = metrics["gain_over_blend"]
    gain = metrics["ndcg"] - metrics["ndcg_blend"]
    return (
        f"NDCG@20 {metrics['ndcg']:.4f} against {metrics['ndcg_blend']:.4f} of the blend, {gain:+.4f} "
        f"({low:+.4f} to {high:+.4f} at 95 %), on {metrics['held_back_slates']} held-back slates of "
        f"{metrics['held_back_actors']} actors."
    )


def _mean(values: Vector) -> float:
    return round(float(np.nanmean(values)), 4)


def _interval(candidate: Vector, baseline: Vector) -> list[float]:
    """The bounds of the mean difference, at 95 %."""
    return rounded_bounds(bootstrap_difference(candidate, baseline, rng=np.random.default_rng(SEED)))
