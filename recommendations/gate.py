"""Whether a trained model may serve.

A collaborative model not if it is worse than the active one, or than what is popular: without a newer one the
recent past is missing. A ranker only if it is better than the blend, which serves well without it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.arrays import Rows, Vector
from ml.counterfactual import cluster_interval
from ml.metrics import bootstrap_difference

LEAST_CASES = 30  # actors to ask about; of fewer, chance alone decides
LEAST_CLUSTERS = 10  # actors with held-back slates; drawing fewer anew says little of how sure a mean is
SEED = 11


@dataclass(frozen=True)
class Verdict:
    """What the gate decided, why, and the figures that it decided on."""

    accepted: bool
    reason: str
    metrics: dict[str, Any]


def judge(*, candidate: Vector, popularity: Vector, active: Vector | None = None) -> Verdict:
    """Compare NDCG@20 of the same actors (a,), NaN where an actor tells nothing.

    Worse is what is worse beyond chance: the paired bootstrap interval of the difference lies below 0.
    active None: there is no other model to compare with.
    """
    case_count = int(np.count_nonzero(~np.isnan(candidate)))
    metrics: dict[str, Any] = {"test_cases": case_count}
    if case_count < LEAST_CASES:
        return Verdict(True, f"Not judged: {case_count} test cases are fewer than {LEAST_CASES}.", metrics)
    rivals = {"popularity": popularity} | ({} if active is None else {"active": active})
    gains = {name: _interval(candidate, rival) for name, rival in rivals.items()}
    metrics |= {"ndcg": _mean(candidate)}
    metrics |= {f"ndcg_{name}": _mean(rival) for name, rival in rivals.items()}
    metrics |= {f"gain_over_{name}": [round(bound, 4) for bound in gain] for name, gain in gains.items()}
    worse = [name for name, (_, highest) in gains.items() if highest < 0]
    return Verdict(not worse, _reason(worse, metrics), metrics)


NAMES = {"popularity": "what is popular", "active": "the active model"}


def _reason(worse: list[str], metrics: dict[str, Any]) -> str:
    figures = ", ".join(
        f"{NAMES[name]} {metrics[f'ndcg_{name}']:.4f}" for name in NAMES if f"ndcg_{name}" in metrics
    )
    said = f"NDCG@20 {metrics['ndcg']:.4f} against {figures}, on {metrics['test_cases']} test cases."
    return f"Worse than {' and '.join(NAMES[name] for name in worse)}: {said}" if worse else said


def judge_order(*, candidate: Vector, blend: Vector, weights: Vector, actors: Rows) -> Verdict:
    """Compare NDCG@20 of the same held-back slates (q,), whose actors (q,) are; weights (q,) > 0 of slates.

    Accepted only where the interval of the mean difference, by a paired bootstrap over actors, lies above 0.
    """
    actor_count = len(np.unique(actors))
    gain = cluster_interval(np.random.default_rng(SEED))((candidate - blend) * weights, weights, actors)
    metrics = {
        "held_back_slates": len(actors),
        "held_back_actors": actor_count,
        "ndcg": round(float(np.average(candidate, weights=weights)), 4),
        "ndcg_blend": round(float(np.average(blend, weights=weights)), 4),
        "gain_over_blend": [round(bound, 4) for bound in gain],
    }
    enough = actor_count >= LEAST_CLUSTERS
    accepted = enough and gain[0] > 0
    return Verdict(accepted, f"{_why(accepted, enough)}{_figures_of_order(metrics)}", metrics)


def _why(accepted: bool, enough: bool) -> str:
    if accepted:
        return ""
    few = f"Held-back slates of fewer than {LEAST_CLUSTERS} actors decide nothing: "
    return few if not enough else "Not better than the blend by more than chance: "


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


def _interval(candidate: Vector, rival: Vector) -> tuple[float, float]:
    """Between what the mean difference lies, at 95 %."""
    return bootstrap_difference(candidate, rival, rng=np.random.default_rng(SEED))
