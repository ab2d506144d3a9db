"""Whether intervals hold what they say, on simulated logs.

Of a replay: how often they hold what a policy really earns. Places are filled by the exploration that serves,
with the propensities that it counts. Three policies are estimated: one that places what is clicked, one that
chance follows often, and one that chance follows rarely. Of experiments: how often they find a difference
between equal variants (see equal_variants.py). Of the detection of collusion: whom it
accuses (see accusations.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks import accusations, equal_variants
from benchmarks.protocol import report_options, run
from ml.arrays import Matrix, Rows, Vector
from ml.evaluation.off_policy import (
    LoggedSlots,
    PolicyEstimate,
    cluster_interval,
    doubly_robust,
    self_normalised,
)
from ml.evaluation.reward_model import cross_fitted_rewards
from ml.ranking.exploration import Prior, explore

SEED, LOGS = 42, 200
SLATES, SLATES_OF_AN_ACTOR, POOL, PLACES = 200, 4, 6, 2
FEATURES = 3
PRIOR = Prior(1, 9)
MODELS = ("constant", "ridge")
POLICIES = ("clicked", "often", "rarely")


@dataclass(frozen=True)
class SimulatedLog:
    """Slots that exploration filled, and what a policy would have put there and earned.

    shown, wanted (m, f): features; rewards, logged, is_same (m,); actors (m,) int; truth: the policy's mean.
    """

    shown: Matrix
    wanted: Matrix
    rewards: Vector
    logged: Vector
    is_same: np.ndarray
    actors: Rows
    truth: float

    @property
    def slots(self) -> LoggedSlots:
        target = self.is_same.astype(np.float64)
        return LoggedSlots(self.rewards, self.logged, target, self.actors, least=0.0, greatest=1.0)


def main() -> dict[str, float]:
    replayed = coverage(log_count=LOGS, slate_count=SLATES)
    return replayed | equal_variants.rejections() | accusations.accusations()


def coverage(*, log_count: int, slate_count: int, policies: Sequence[str] = POLICIES) -> dict[str, float]:
    """By policy and estimator, the share of intervals that hold the truth, and the mean error.

    withheld: the share of logs in which too few slots agreed for an estimate.
    """
    figures = {}
    for policy in policies:
        rng = np.random.default_rng([SEED, POLICIES.index(policy)])
        held: dict[str, list[bool]] = {}
        errors: dict[str, list[float]] = {}
        for _ in range(log_count):
            log = simulate(policy, rng, slate_count=slate_count)
            for name, estimate in estimates(log):
                if not np.isnan(estimate.value):
                    held.setdefault(name, []).append(estimate.low <= log.truth <= estimate.high)
                    errors.setdefault(name, []).append(estimate.value - log.truth)
        for name in ("self_normalised", *MODELS):
            figures[f"{policy}_{name}_coverage"] = round(float(np.mean(held.get(name, np.nan))), 4)
            figures[f"{policy}_{name}_bias"] = round(float(np.mean(errors.get(name, np.nan))), 5)
        figures[f"{policy}_withheld"] = round(1 - len(held.get("ridge", [])) / log_count, 4)
    return figures


def simulate(policy: str, rng: np.random.Generator, *, slate_count: int) -> SimulatedLog:
    """A log of slates, each with PLACES places that were filled from a pool of its own."""
    effects = rng.normal(size=FEATURES)
    parts: list[tuple] = []
    for _ in range(slate_count):
        features = rng.normal(size=(POOL, FEATURES))
        rates = 0.4 / (1 + np.exp(1 - features @ effects - 0.5 * features[:, 0] ** 2))
        impressions = rng.integers(5, 40, POOL)
        clicks = rng.binomial(impressions, 0.1 + 0.3 * rates)
        drawn = explore(impressions, clicks, PRIOR, rng, slot_count=PLACES)
        posterior = (PRIOR.clicks + clicks) / (PRIOR.strength + impressions)
        score = {"clicked": rates, "often": posterior, "rarely": -posterior}[policy]
        wanted = np.argsort(-score, kind="stable")[:PLACES]
        is_clicked = rng.random(PLACES) < rates[drawn.rows]
        parts.append(
            (
                *(features[drawn.rows], features[wanted], is_clicked, drawn.propensities),
                *(wanted == drawn.rows, rates[wanted]),
            )
        )
    shown, wanted, rewards, logged, is_same, earned = (
        np.concatenate(part) for part in zip(*parts, strict=True)
    )
    actors = np.arange(slate_count).repeat(PLACES) // SLATES_OF_AN_ACTOR
    return SimulatedLog(
        shown, wanted, rewards.astype(np.float64), logged, is_same, actors, truth=float(earned.mean())
    )


def estimates(log: SimulatedLog) -> Iterator[tuple[str, PolicyEstimate]]:
    """The self-normalised estimate, and the doubly robust ones with each reward model."""
    yield "self_normalised", self_normalised(log.slots, _interval())
    for name in MODELS:
        shown, wanted = (log.shown, log.wanted) if name == "ridge" else (log.shown[:, :0], log.wanted[:, :0])
        predicted, expected = cross_fitted_rewards(shown, log.rewards, log.actors, [shown, wanted], seed=SEED)
        yield name, doubly_robust(log.slots, predicted, expected, _interval())


def _interval():
    return cluster_interval(np.random.default_rng(SEED), sample_count=200)


if __name__ == "__main__":
    run(main, report_options(__doc__ or ""))
