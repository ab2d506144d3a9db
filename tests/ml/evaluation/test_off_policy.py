import math
import warnings
from dataclasses import replace

import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.evaluation.off_policy import (
    GREATEST_WEIGHT,
    LEAST_AGREEING,
    LoggedSlots,
    cluster_interval,
    doubly_robust,
    logged_mean,
    self_normalised,
)
from ml.ranking import exploration

SLOTS_OF_AN_ACTOR = 4
# Mean rewards of four listings in two situations; the logging policy prefers the worse listings.
RATES = np.array([[0.1, 0.2, 0.4, 0.6], [0.5, 0.3, 0.2, 0.1]])
LOGGING = np.array([[0.5, 0.3, 0.1, 0.1], [0.1, 0.1, 0.3, 0.5]])
TARGET = np.array([[0.1, 0.1, 0.3, 0.5], [0.6, 0.2, 0.1, 0.1]])
TRUTH = float((TARGET * RATES).sum(axis=1).mean())
NAIVE = float((LOGGING * RATES).sum(axis=1).mean())


class Log:
    """Slots of a simulated logging policy, with an offset of each actor that all its rewards share."""

    def __init__(self, seed: int, actor_count: int = 400, habit: float = 0.0) -> None:
        rng = np.random.default_rng(seed)
        actors = np.repeat(np.arange(actor_count), SLOTS_OF_AN_ACTOR)
        self.situations = rng.integers(0, 2, len(actors))
        self.shown = (
            LOGGING[self.situations].cumsum(axis=1) < rng.random((len(actors), 1)) * (1 - 1e-9)
        ).sum(axis=1)
        clicked = rng.random(len(actors)) < RATES[self.situations, self.shown]
        self.slots = LoggedSlots(
            rewards=clicked + habit * rng.standard_normal(actor_count)[actors],
            logged=self.of(LOGGING),
            target=self.of(TARGET),
            clusters=actors,
        )

    def of(self, table: np.ndarray) -> np.ndarray:
        """Values of a table (situations, listings) for the shown listings: (m,)"""
        return table[self.situations, self.shown]

    def robust(self, rates: np.ndarray, interval):
        """The doubly robust estimate with a model that predicts these rates."""
        expected = (TARGET * rates).sum(axis=1)[self.situations]
        return doubly_robust(self.slots, self.of(rates), expected, interval)


def bootstrap(seed: int = 0, sample_count: int = 300):
    return cluster_interval(np.random.default_rng(seed), sample_count=sample_count)


def estimates(log: Log) -> dict:
    """Estimates by name, the doubly robust one with a model that is always wrong."""
    return {
        "self_normalised": self_normalised(log.slots, bootstrap()),
        "doubly_robust": log.robust(RATES[:, ::-1], bootstrap()),
    }


@pytest.fixture(scope="module")
def repeated() -> list[dict]:
    return [estimates(Log(seed)) for seed in range(60)]


ESTIMATORS = ("self_normalised", "doubly_robust")


class TestEstimatesOfAnotherPolicy:
    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_off_policy_estimates_are_unbiased(self, repeated, name):
        assert np.mean([each[name].value for each in repeated]) == pytest.approx(TRUTH, abs=0.015)

    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_off_policy_intervals_hold_the_true_value_about_as_often_as_they_say(self, repeated, name):
        held = [each[name].low <= TRUTH <= each[name].high for each in repeated]
        assert np.mean(held) >= 0.85

    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_off_policy_intervals_tell_the_target_from_the_logging_policy(self, repeated, name):
        assert np.mean([each[name].low > NAIVE for each in repeated]) > 0.9

    def test_the_mean_of_the_logged_rewards_is_confident_of_the_wrong_value(self):
        estimate = logged_mean(Log(0).slots, bootstrap())
        assert estimate.low < NAIVE < estimate.high < TRUTH

    def test_the_logging_policy_is_estimated_to_earn_what_it_earned(self):
        log = Log(1)
        slots = replace(log.slots, target=log.slots.logged)
        naive = logged_mean(slots, bootstrap())
        assert self_normalised(slots, bootstrap()) == naive

    def test_adding_one_to_all_rewards_adds_one_to_the_self_normalised_estimate(self):
        """Adding one to all rewards adds one. The plain estimate would add the mean weight."""
        slots = Log(2, actor_count=40).slots
        raised = replace(slots, rewards=slots.rewards + 1)
        added = self_normalised(raised, bootstrap()).value - self_normalised(slots, bootstrap()).value
        assert added == pytest.approx(1)


class TestDoublyRobust:
    def test_a_good_reward_model_narrows_the_doubly_robust_interval(self):
        log = Log(3)
        good, bad = (log.robust(rates, bootstrap()) for rates in (RATES, RATES[:, ::-1]))
        assert good.high - good.low < 0.8 * (bad.high - bad.low)

    def test_a_good_reward_model_makes_up_for_wrong_propensities(self):
        log = Log(4, actor_count=4000)
        log.slots = replace(log.slots, logged=np.full(len(log.shown), 0.25))
        assert log.robust(RATES, bootstrap()).value == pytest.approx(TRUTH, abs=0.02)
        by_propensities_alone = (log.slots.weights * log.slots.rewards).mean()
        assert abs(by_propensities_alone - TRUTH) > 0.05

    def test_doubly_robust_refuses_predictions_of_other_rows_or_not_finite(self):
        log = Log(5, actor_count=3)
        right = np.zeros(12)
        for wrong in (np.zeros(11), np.full(12, np.nan)):
            with pytest.raises(ShapeError):
                doubly_robust(log.slots, wrong, right, bootstrap())
            with pytest.raises(ShapeError):
                doubly_robust(log.slots, right, wrong, bootstrap())


class TestWeights:
    def slots(self, **changes) -> LoggedSlots:
        usual = LoggedSlots(
            rewards=np.array([1.0, 0.0, 1.0]),
            logged=np.array([0.5, 0.25, 0.01]),
            target=np.array([0.5, 0.5, 1.0]),
            clusters=np.array([0, 0, 1]),
        )
        return replace(usual, **changes)

    def test_importance_weights_are_the_ratio_of_the_two_chances_and_are_clipped(self):
        assert self.slots().weights.tolist() == [1, 2, 100]
        assert self.slots(greatest_weight=10.0).weights.tolist() == [1, 2, 10]

    def test_the_share_of_clipped_importance_weights_counts_slots_that_agree(self):
        assert self.slots().clipped_share == 0
        clipped = self.slots(greatest_weight=50.0)
        assert self_normalised(clipped, bootstrap()).clipped_share == pytest.approx(1 / 3)
        assert replace(clipped, target=np.array([0.0, 0.5, 1.0])).clipped_share == pytest.approx(1 / 2)
        assert math.isnan(replace(clipped, target=np.zeros(3)).clipped_share)

    def test_no_propensity_that_exploration_logs_is_clipped(self):
        assert GREATEST_WEIGHT == exploration.ROUNDS
        least = self.slots(logged=np.full(3, 1 / exploration.ROUNDS), target=np.ones(3))
        assert least.clipped_share == 0
        assert least.mean_weight == pytest.approx(exploration.ROUNDS)

    def test_equal_importance_weights_have_an_effective_sample_size_of_all_slots(self):
        assert self.slots(logged=np.full(3, 0.5), target=np.ones(3)).effective_sample_size == 3

    def test_one_great_importance_weight_has_an_effective_sample_size_of_about_one(self):
        assert self.slots().effective_sample_size == pytest.approx(103**2 / (1 + 4 + 10_000))

    def test_where_the_target_would_have_shown_nothing_the_estimate_is_unknown(self):
        slots = self.slots(target=np.zeros(3))
        estimate = self_normalised(slots, bootstrap())
        assert math.isnan(estimate.value) and math.isnan(estimate.low) and math.isnan(estimate.high)
        assert estimate.effective_sample_size == 0

    @pytest.mark.parametrize(
        "wrong",
        [
            {"logged": np.array([0.5, 0.0, 1.0])},
            {"logged": np.array([0.5, 1.1, 1.0])},
            {"logged": np.array([0.5, np.nan, 1.0])},
            {"target": np.array([0.5, -0.1, 1.0])},
            {"target": np.array([0.5, np.nan, 1.0])},
            {"target": np.ones(2)},
            {"rewards": np.array([np.nan, 0, 0])},
            {"rewards": np.zeros((3, 1))},
            {"clusters": np.zeros(3)},
            {"greatest_weight": 0.0},
            {"least": 0.5},
            {"greatest": 0.5},
        ],
    )
    def test_impossible_logged_slots_are_refused(self, wrong):
        with pytest.raises(ShapeError):
            self.slots(**wrong)


class TestOpenBanditPipeline:
    """Unclipped estimates equal the formulas of obp 0.5.5 (`obp.ope`, round_rewards and their mean)."""

    @pytest.fixture
    def log(self) -> Log:
        return Log(9, actor_count=80)

    def test_self_normalised_is_snipw(self, log):
        importance_weight = log.slots.target / log.slots.logged
        snipw = (log.slots.rewards * importance_weight / importance_weight.mean()).mean()
        assert self_normalised(log.slots, bootstrap()).value == pytest.approx(snipw, rel=1e-12)

    def test_doubly_robust_is_dr(self, log):
        rates = RATES + 0.1
        estimated_rewards, action_dist = rates[log.situations], TARGET[log.situations]
        importance_weight = action_dist[np.arange(len(log.shown)), log.shown] / log.slots.logged
        baseline = np.average(estimated_rewards, weights=action_dist, axis=1)
        of_action = estimated_rewards[np.arange(len(log.shown)), log.shown]
        dr = (importance_weight * (log.slots.rewards - of_action) + baseline).mean()
        assert log.robust(rates, bootstrap()).value == pytest.approx(dr, rel=1e-12)


class TestWhatIsKeptWithinBounds:
    def test_no_estimate_lies_outside_of_what_rewards_allow(self):
        log = Log(10, actor_count=60)
        log.slots = replace(log.slots, least=0.0, greatest=1.0)
        found = log.robust(RATES - 1000, bootstrap())
        assert 0 <= found.low <= found.value <= found.high <= 1

    def test_too_few_slots_that_agree_say_nothing(self):
        target = np.zeros(500)
        target[: LEAST_AGREEING - 1] = 1
        few = LoggedSlots(np.ones(500), np.full(500, 0.5), target, np.arange(500))
        enough = replace(few, target=(np.arange(500) < LEAST_AGREEING).astype(np.float64))
        for slots, is_withheld in ((few, True), (enough, False)):
            for found in (
                self_normalised(slots, bootstrap()),
                doubly_robust(slots, np.zeros(500), np.zeros(500), bootstrap()),
            ):
                assert (
                    math.isnan(found.value) == math.isnan(found.low) == math.isnan(found.high) == is_withheld
                )

    def test_no_click_in_forty_slots_does_not_mean_that_nobody_ever_clicks(self):
        """Other slots were clicked; a bootstrap of forty zeros would give an interval of no width."""
        target = (np.arange(400) < 40).astype(np.float64)
        slots = LoggedSlots((np.arange(400) >= 200) * 1.0, np.full(400, 0.1), target, np.arange(400))
        found = self_normalised(slots, bootstrap())
        assert (found.value, found.low) == (0, 0)
        assert 0.05 < found.high < 0.15


class TestIntervals:
    def test_slots_of_one_actor_are_resampled_together(self):
        """When actors differ, an interval that ignores clusters would be too narrow."""
        slots = Log(6, habit=1.0).slots
        together = self_normalised(slots, bootstrap())
        alone = self_normalised(replace(slots, clusters=np.arange(len(slots.rewards))), bootstrap())
        assert together.high - together.low > 1.2 * (alone.high - alone.low)

    def test_a_higher_level_widens_the_off_policy_interval(self):
        slots = Log(7, actor_count=60).slots
        narrow, wide = (
            self_normalised(slots, cluster_interval(np.random.default_rng(0), level=level))
            for level in (0.5, 0.99)
        )
        assert wide.low < narrow.low < narrow.value < narrow.high < wide.high

    def test_the_same_seed_gives_the_same_off_policy_interval(self):
        slots = Log(8, actor_count=30).slots
        assert self_normalised(slots, bootstrap(3)) == self_normalised(slots, bootstrap(3))

    @pytest.mark.parametrize("estimate", [logged_mean, self_normalised])
    def test_without_slots_the_estimate_is_unknown_without_a_warning(self, estimate):
        nothing = LoggedSlots(np.empty(0), np.empty(0), np.empty(0), np.empty(0, np.int64))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert math.isnan(estimate(nothing, bootstrap()).value)
