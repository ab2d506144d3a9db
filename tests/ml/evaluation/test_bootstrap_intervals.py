"""Bootstrap intervals over actors, of values, differences and ratios."""

import warnings
from functools import partial

import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.evaluation.ranking_metrics import (
    bootstrap_difference,
    bootstrap_interval,
    bootstrap_ratio,
)

UNKNOWN = np.nan


def same_twice(values, **options):
    return bootstrap_ratio(values, values, **options)


class TestBootstrap:
    """400 actors with mean 3 and deviation 1: the interval of the mean is about 3 +- 1.96 / 20."""

    @pytest.fixture
    def values(self, rng):
        drawn = rng.standard_normal(400)
        return 3 + (drawn - drawn.mean()) / drawn.std()

    def test_the_bootstrap_interval_is_as_wide_as_chance(self, values, rng):
        low, high = bootstrap_interval(values, rng=rng)
        assert low == pytest.approx(3 - 1.96 / 20, abs=0.015)
        assert high == pytest.approx(3 + 1.96 / 20, abs=0.015)

    def test_the_bootstrap_interval_holds_the_true_mean_as_often_as_it_says(self):
        rng = np.random.default_rng(5)
        held = 0
        for _ in range(300):
            low, high = bootstrap_interval(rng.exponential(size=60), rng=rng, sample_count=300, level=0.9)
            held += low <= 1 <= high
        assert 0.8 < held / 300 < 0.95

    def test_a_higher_level_widens_the_bootstrap_interval(self, values):
        narrow, wide = (
            bootstrap_interval(values, rng=np.random.default_rng(0), level=level) for level in (0.5, 0.99)
        )
        assert wide[0] < narrow[0] < narrow[1] < wide[1]

    def test_actors_with_unknown_values_are_left_out_of_the_bootstrap(self, values):
        gaps = np.append(values, [UNKNOWN] * 100)
        whole, rest = (bootstrap_interval(some, rng=np.random.default_rng(0)) for some in (values, gaps))
        assert whole == rest

    def test_the_bootstrap_interval_of_equal_values_has_no_width(self, rng):
        assert bootstrap_interval(np.full(9, 0.25), rng=rng) == (0.25, 0.25)

    def test_the_same_seed_gives_the_same_bootstrap_interval(self, values):
        one, other = (bootstrap_interval(values, rng=np.random.default_rng(3)) for _ in range(2))
        assert one == other

    def test_a_bootstrapped_difference_is_paired_by_actor(self, values, rng):
        assert bootstrap_difference(values + 0.1, values, rng=rng) == pytest.approx((0.1, 0.1))

    def test_the_interval_of_a_difference_by_chance_holds_zero(self, values, rng):
        low, high = bootstrap_difference(values, rng.permutation(values), rng=rng)
        assert low < 0 < high

    def test_a_bootstrapped_ratio_is_paired_by_actor(self, values, rng):
        assert bootstrap_ratio(3 * values, values, rng=rng) == pytest.approx((3, 3))

    def test_a_bootstrapped_ratio_is_one_of_means_and_not_a_mean_of_ratios(self, rng):
        low, high = bootstrap_ratio(np.tile([1.0, 9.0], 500), np.tile([1.0, 3.0], 500), rng=rng)
        assert low < 2.5 < high  # (1 + 9) / (1 + 3); the mean of the ratios is 2
        assert low > 2.2

    @pytest.mark.parametrize("interval", [bootstrap_difference, bootstrap_ratio])
    def test_an_actor_with_one_unknown_side_is_left_out_of_the_bootstrap(self, interval, values):
        gaps = (np.append(values, [UNKNOWN, 50]), np.append(2 * values, [50, UNKNOWN]))
        with_gaps = interval(*gaps, rng=np.random.default_rng(0))
        assert with_gaps == interval(values, 2 * values, rng=np.random.default_rng(0))

    def test_a_ratio_whose_denominator_may_be_zero_is_unknown(self, rng):
        assert np.isnan(bootstrap_ratio(np.ones(2), np.array([0.0, 1.0]), rng=rng)).all()

    @pytest.mark.parametrize("values", [np.empty(0), np.full(3, UNKNOWN)])
    @pytest.mark.parametrize("interval", [bootstrap_interval, same_twice])
    def test_the_bootstrap_of_nobody_is_unknown_without_a_warning(self, interval, values, rng):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.isnan(interval(values, rng=rng)).all()

    @pytest.mark.parametrize(
        "call",
        [
            partial(bootstrap_interval, np.ones((2, 2))),
            partial(bootstrap_difference, np.ones(2), np.ones(3)),
            partial(bootstrap_ratio, np.ones(2), np.ones(1)),
        ],
    )
    def test_the_bootstrap_refuses_arrays_that_do_not_fit(self, call, rng):
        with pytest.raises(ShapeError):
            call(rng=rng)
