"""Off-policy evaluation: the reward that another policy would have earned in the logged exploration slots."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from ml.arrays import Matrix, Rows, Vector
from ml.evaluation.estimate import IntervalEstimate
from ml.evaluation.off_policy import (
    LoggedSlots,
    PolicyEstimate,
    cluster_interval,
    doubly_robust,
    logged_mean,
    self_normalised,
)
from ml.evaluation.reward_model import cross_fitted_rewards
from ml.progress import Progress, ignore_progress
from ml.ranking.lambdarank import CLICK, FAVOURITE, GAINS, HIDDEN, MESSAGE, NO_INTERACTION, OFFER, PURCHASE
from recommendations.analysis.off_policy_candidates import Policy, SourceMultipliers
from recommendations.analysis.off_policy_slots import LoggedExploration, read_slots
from recommendations.core.json_values import to_json_values
from recommendations.ranker.served_slates import ServedSlate

SERVED, TARGET = "served", "asked"  # the order that was served, and the target policy
SEED = 17
UNKNOWN = IntervalEstimate(float("nan"), float("nan"), float("nan"))
# Kind of reward -> grade -> reward.
REWARDS: dict[str, dict[int, float]] = {
    "graded": {HIDDEN: -1.0, NO_INTERACTION: 0.0}
    | {grade: GAINS[grade - HIDDEN] for grade in (CLICK, FAVOURITE, MESSAGE, OFFER, PURCHASE)},
    "click": {grade: float(grade >= CLICK) for grade in range(HIDDEN, PURCHASE + 1)},
}


@dataclass(frozen=True)
class PolicyReward:
    """The reward per slot of a policy by two estimators, and the number of slots that it fills as logged.

    modelled: the mean of what the reward model expects of the policy's listings. Where weights fall short,
    the doubly robust estimate lies between it and the truth.
    """

    same_count: int
    modelled: float
    self_normalised: PolicyEstimate
    doubly_robust: PolicyEstimate


@dataclass(frozen=True)
class PolicyEvaluation:
    """Mean rewards per slot, with 95 % intervals by a bootstrap over actors."""

    reward: str
    drawn: PolicyEstimate  # the observed reward of the random draws
    served: PolicyReward  # the order that was served, continued into the slots
    asked: PolicyReward  # the target policy
    gain: IntervalEstimate  # of the target policy over the served order, doubly robust, on the same slots
    slot_count: int
    slate_count: int
    actor_count: int
    untold_count: int
    simulated_count: int
    first_at: datetime
    last_at: datetime

    def to_json(self) -> dict[str, Any]:
        """Times in ISO 8601; unknown figures are null."""
        return to_json_values(asdict(self))


def evaluate_policy(
    policy: Policy, *, reward: str, now: datetime, progress: Progress = ignore_progress
) -> PolicyEvaluation:
    """Evaluate a policy on all stored feed slates that were served until now.   reward: a key of REWARDS

    Raises NoExplorationSlots.
    """
    multipliers = SourceMultipliers()

    def target_scores(slate: ServedSlate, rows: Rows) -> Vector | None:
        return policy.scores(slate, rows, multipliers)

    slots = read_slots({SERVED: _served_scores, TARGET: target_scores}, until=now, progress=progress)
    reward_of = REWARDS[reward]
    rewards = np.array([reward_of[grade] for grade in slots.grades.tolist()])
    possible = reward_of.values()
    corrected, earned = _earned(slots, rewards, possible)
    is_enough = not any(np.isnan(earned[name].doubly_robust.value) for name in (SERVED, TARGET))
    gain = _gain(corrected[TARGET] - corrected[SERVED], slots.who, possible) if is_enough else UNKNOWN
    return PolicyEvaluation(
        reward=reward,
        drawn=logged_mean(_logged(slots, rewards, SERVED, possible), _interval()),
        served=earned[SERVED],
        asked=earned[TARGET],
        gain=gain,
        slot_count=len(slots.who),
        slate_count=slots.slate_count,
        actor_count=len(np.unique(slots.who)),
        untold_count=slots.untold_count,
        simulated_count=slots.simulated_count,
        first_at=slots.first_at,
        last_at=slots.last_at,
    )


def _served_scores(slate: ServedSlate, rows: Rows) -> Vector:
    return slate.score[rows]


def _earned(
    slots: LoggedExploration, rewards: Vector, possible: Collection[float]
) -> tuple[dict[str, Vector], dict[str, PolicyReward]]:
    """By policy, the terms of its doubly robust mean, one per slot (n,), and its estimates."""
    names = list(slots.fillings)
    matrices = [slots.features, *(slots.fillings[name].features for name in names)]
    placed = [_with_place(matrix, slots.places) for matrix in matrices]
    predicted, *expected = cross_fitted_rewards(placed[0], rewards, slots.who, placed, seed=SEED)
    corrected: dict[str, Vector] = {}
    earned: dict[str, PolicyReward] = {}
    for name, expected_rewards in zip(names, expected, strict=True):
        logged = _logged(slots, rewards, name, possible)
        corrected[name] = expected_rewards + logged.weights * (rewards - predicted)
        earned[name] = PolicyReward(
            same_count=int(slots.fillings[name].is_same.sum()),
            modelled=float(expected_rewards.mean()),
            self_normalised=self_normalised(logged, _interval()),
            doubly_robust=doubly_robust(logged, predicted, expected_rewards, _interval()),
        )
    return corrected, earned


def _with_place(features: Matrix, places: Rows) -> Matrix:
    """Features with the place as another one, for position bias: (n, f), (n,) -> (n, f + 1)"""
    return np.column_stack([features, np.log1p(places)])


def _logged(slots: LoggedExploration, rewards: Vector, name: str, possible: Collection[float]) -> LoggedSlots:
    target = slots.fillings[name].is_same.astype(np.float64)
    return LoggedSlots(
        rewards=rewards,
        logged=slots.logged,
        target=target,
        clusters=slots.who,
        least=min(possible),
        greatest=max(possible),
    )


def _gain(differences: Vector, who: Rows, possible: Collection[float]) -> IntervalEstimate:
    """The mean of paired differences, within what rewards allow."""
    low, high = _interval()(differences, np.ones(len(differences)), who)
    span = max(possible) - min(possible)
    return IntervalEstimate(*np.clip([differences.mean(), low, high], -span, span).tolist())


def _interval():
    """Seeded the same way each time, so that estimates on the same slots can be compared."""
    return cluster_interval(np.random.default_rng(SEED))
