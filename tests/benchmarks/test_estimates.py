import numpy as np
import pytest

from benchmarks import accusations, equal_variants, estimates
from ml.evaluation.off_policy import LoggedSlots, self_normalised
from ml.ranking.exploration import Prior, explore


class TestReplay:
    def test_intervals_hold_the_truth_about_as_often_as_they_say(self):
        figures = estimates.coverage(log_count=16, slate_count=200)
        covered = [value for name, value in figures.items() if name.endswith("coverage")]
        assert len(covered) == 9
        assert np.nanmean(covered) >= 0.8  # in 200 logs .9 at least, see docs/benchmarks.md

    def test_what_chance_picks_once_in_a_hundred_is_estimated_without_bias(self):
        """Weights clipped at 50 gave a mean weight of about a half."""
        impressions, clicks = np.array([1000, 100]), np.array([300, 20])
        rng = np.random.default_rng(3)
        drawn = [explore(impressions, clicks, Prior(1, 3), rng, slot_count=1) for _ in range(6000)]
        rows = np.array([each.rows[0] for each in drawn])
        logged = np.array([each.propensities[0] for each in drawn])
        assert 0.005 < (rows == 1).mean() < 0.03
        rewards = (rng.random(len(rows)) < 0.5).astype(np.float64)
        slots = LoggedSlots(rewards, logged, (rows == 1).astype(np.float64), np.arange(len(rows)))
        assert slots.mean_weight == pytest.approx(1, abs=0.4)
        assert slots.clipped_share == 0
        found = self_normalised(slots, estimates._interval())
        assert found.low < 0.5 < found.high


class TestEqualVariants:
    def test_equal_variants_are_hardly_ever_found_to_differ(self):
        """In 2000 runs the primary measure does in .05, see docs/benchmarks.md."""
        figures = equal_variants.rejections(run_count=60, actor_count=200)
        assert figures["equal_variants_primary"] <= 0.15
        assert figures["equal_variants_others"] <= 0.15
        assert figures["equal_variants_any"] <= 0.2


class TestAccusations:
    def test_hardly_any_honest_profile_is_accused_and_shills_count_for_little(self):
        figures = accusations.accusations(world_count=1)
        assert figures["honest_accused"] <= 0.005
        assert figures["shills_weight_left"] < 0.1
