import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.arrays import ShapeError
from ml.evaluation.proportions import proportion_difference, sample_ratio_p_value, wilson

some_of_all = st.integers(1, 500).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


class TestOneProportion:
    @pytest.mark.parametrize(
        ("successes", "total", "expected"),
        [(0, 10, (0, 0.2775)), (5, 10, (0.2366, 0.7634)), (10, 10, (0.7225, 1)), (15, 148, (0.0624, 0.1605))],
    )
    def test_the_wilson_interval_equals_published_values(self, successes, total, expected):
        """The last case is from Newcombe 1998."""
        assert wilson(successes, total) == pytest.approx(expected, abs=5e-5)

    def test_the_wilson_interval_of_no_trials_is_unknown(self):
        assert all(math.isnan(end) for end in wilson(0, 0))

    @pytest.mark.parametrize("impossible", [(-1, 10), (11, 10)])
    def test_the_wilson_interval_refuses_fewer_than_no_successes_and_more_than_all(self, impossible):
        with pytest.raises(ShapeError):
            wilson(*impossible)

    @given(some_of_all)
    def test_the_wilson_interval_holds_the_share(self, part):
        low, high = wilson(*part)
        assert 0 <= low <= part[0] / part[1] + 1e-12 and part[0] / part[1] - 1e-12 <= high <= 1


class TestDifference:
    def test_the_interval_of_a_difference_equals_newcombes_example(self):
        assert proportion_difference(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)

    @given(some_of_all, some_of_all)
    def test_swapping_two_proportions_flips_the_sign_of_their_difference(self, one, other):
        low, high = proportion_difference(*one, *other)
        assert proportion_difference(*other, *one) == pytest.approx((-high, -low))

    def test_the_difference_to_a_proportion_of_nobody_is_unknown(self):
        assert all(math.isnan(end) for end in proportion_difference(1, 10, 0, 0))


class TestSampleRatio:
    def test_the_sample_ratio_p_value_is_that_of_the_chi_square_test(self):
        assert sample_ratio_p_value(np.array([40, 60]), np.array([1.0, 1.0])) == pytest.approx(
            0.0455, abs=5e-5
        )
        assert sample_ratio_p_value(np.array([20, 30, 50]), np.array([0.2, 0.3, 0.5])) == pytest.approx(1)

    def test_the_sample_ratio_p_value_of_one_group_or_of_nobody_is_one(self):
        assert sample_ratio_p_value(np.array([7]), np.array([2.0])) == 1
        assert sample_ratio_p_value(np.array([0, 0]), np.array([1.0, 1.0])) == 1

    @pytest.mark.parametrize(("counts", "weights"), [([1, -1], [1.0, 1.0]), ([1, 1], [1.0, 0.0]), ([], [])])
    def test_the_sample_ratio_test_refuses_negative_counts_zero_weights_and_no_groups(self, counts, weights):
        with pytest.raises(ShapeError):
            sample_ratio_p_value(np.array(counts, np.int64), np.array(weights, np.float64))
