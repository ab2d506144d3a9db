"""Whether a trained model may serve: not if it is worse than the active one, or than what is popular."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.arrays import Vector
from ml.metrics import bootstrap_difference

LEAST_CASES = 30  # actors to ask about; of fewer, chance alone decides
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


def _mean(values: Vector) -> float:
    return round(float(np.nanmean(values)), 4)


def _interval(candidate: Vector, rival: Vector) -> tuple[float, float]:
    """Between what the mean difference lies, at 95 %."""
    return bootstrap_difference(candidate, rival, rng=np.random.default_rng(SEED))
