import math

import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.evaluation.ratios import Ratio, greatest_counted, ratio_of


class TestRatio:
    def test_a_ratio_of_equal_bases_has_the_variance_of_a_mean(self):
        hits = np.array([0.0, 5, 10, 5])
        ratio = ratio_of(hits, np.full(4, 10.0))
        assert ratio.value == 0.5
        assert ratio.variance == pytest.approx((hits / 10).var(ddof=1) / 4)

    def test_outcomes_of_one_actor_are_one_trial(self):
        """Each actor has twenty equal outcomes, which are worth one trial."""
        hits = 20.0 * np.random.default_rng(2).binomial(1, 0.2, size=400)
        assert math.sqrt(ratio_of(hits, np.full(400, 20.0)).variance) == pytest.approx(
            math.sqrt(0.2 * 0.8 / 400), rel=0.15
        )

    def test_intervals_are_those_of_student_and_welch(self):
        one, other = Ratio(0.5, 0.01, 3), Ratio(0.2, 0.01, 3)
        low, high = one.interval()
        assert (low, high) == pytest.approx((0.5 - 0.1 * 4.3027, 0.5 + 0.1 * 4.3027), abs=1e-4)
        low, high = one.over(other)
        assert (low, high) == pytest.approx(
            (0.3 - 2.7764 * math.sqrt(0.02), 0.3 + 2.7764 * math.sqrt(0.02)), abs=1e-4
        )

    def test_a_higher_level_has_a_wider_interval(self):
        low, high = Ratio(0.5, 0.01, 30).interval(0.99)
        assert high - low > np.diff(Ratio(0.5, 0.01, 30).interval(0.95))

    def test_ratios_of_nobody_of_one_actor_and_of_nothing_served_have_no_interval(self):
        nobody, idle = ratio_of(np.empty(0), np.empty(0)), ratio_of(np.zeros(3), np.zeros(3))
        alone = ratio_of(np.array([1.0]), np.array([4.0]))
        assert (alone.value, math.isnan(nobody.value), math.isnan(idle.value)) == (0.25, True, True)
        assert np.isnan([nobody.interval(), idle.interval(), alone.interval(), alone.over(idle)]).all()

    def test_counts_below_zero_are_refused(self):
        with pytest.raises(ShapeError):
            ratio_of(np.array([-1.0]), np.array([2.0]))


class TestHeavyTails:
    def test_an_actor_beyond_the_greatest_count_counts_with_that_and_the_same_ratio(self):
        ratio = ratio_of(np.array([900.0, 1.0]), np.array([1000.0, 10.0]), greatest=10)
        assert ratio.value == (9 + 1) / 20

    def test_the_greatest_counts_of_all_are_capped_and_those_of_few_are_not(self):
        assert greatest_counted(np.arange(1.0, 101.0)) == 95
        assert greatest_counted(np.arange(1.0, 20.0)) == math.inf
        assert greatest_counted(np.empty(0)) == math.inf
