from functools import partial

import numpy as np
import pytest

from ml.evaluation.multiple_testing import holm_levels, p_value
from ml.evaluation.proportions import proportion_difference
from ml.evaluation.ratios import Ratio


class TestPValues:
    def test_a_p_value_is_the_significance_at_which_the_interval_ends_at_zero(self):
        interval = Ratio(0.3, 0.01, 12).interval
        low, _ = interval(1 - p_value(interval))
        assert low == pytest.approx(0, abs=1e-6)

    def test_a_difference_of_nothing_has_the_greatest_p_value(self):
        assert p_value(partial(proportion_difference, 5, 10, 5, 10)) == pytest.approx(1)

    def test_an_unknown_interval_has_no_p_value(self):
        assert np.isnan(p_value(partial(proportion_difference, 0, 0, 5, 10)))


class TestHolm:
    def test_levels_are_those_of_the_steps_until_one_is_not_rejected(self):
        """Of 0.001, 0.02 and 0.04 the first is below 0.05 / 3 and the second below 0.05 / 2."""
        levels = holm_levels(np.array([0.04, 0.001, 0.02, 0.3]))
        np.testing.assert_allclose(levels, 1 - np.array([0.05 / 3, 0.05 / 4, 0.05 / 3, 0.05 / 3]))

    def test_a_single_difference_keeps_its_level(self):
        np.testing.assert_allclose(holm_levels(np.array([0.2])), [0.95])

    def test_unknown_differences_are_not_counted(self):
        levels = holm_levels(np.array([np.nan, 0.01]))
        assert np.isnan(levels[0])
        assert levels[1] == pytest.approx(0.95)
        assert holm_levels(np.empty(0)).tolist() == []

    def test_intervals_at_these_levels_exclude_zero_where_the_procedure_rejects(self):
        intervals = [Ratio(value, 0.01, 50).interval for value in (0.4, 0.25, 0.21, 0.05)]
        p_values = np.array([p_value(interval) for interval in intervals])
        levels = holm_levels(p_values)
        is_rejected = [interval(level)[0] > 0 for interval, level in zip(intervals, levels, strict=True)]
        assert is_rejected == [True, True, False, False]
        assert p_values[2] < 0.05, "by itself it would be taken for a difference"
