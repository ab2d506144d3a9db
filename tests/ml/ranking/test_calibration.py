"""Calibration: the groups of a list are as frequent as the target says (Steck 2018)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.arrays import ShapeError
from ml.ranking.calibration import Calibration, CalibrationState
from ml.ranking.diversity import diversify


def calibration(target: list[float], kinds: list[int], strength: float = 1.0) -> Calibration:
    """Each kind belongs to the group of its number."""
    return Calibration(
        np.array(target), np.array(kinds, np.int64), np.eye(len(target), dtype=np.float64), strength
    )


def listed(scores: list[float], wanted: Calibration, limit: int) -> list[int]:
    """The kinds of the list, in order."""
    vectors = np.zeros((len(scores), 1), np.float32)
    chosen = diversify(np.array(scores, np.float32), vectors, limit=limit, calibration=wanted)
    return wanted.kinds[chosen].tolist()


class TestOrder:
    def test_every_group_has_its_share_though_one_has_all_the_best_scores(self):
        kinds = [0] * 20 + [1] * 20
        order = listed([2.0] * 20 + [1.0] * 20, calibration([0.5, 0.5], kinds, strength=5), 20)
        assert order.count(0) == pytest.approx(10, abs=1)

    def test_without_strength_the_scores_alone_decide(self):
        kinds = [0] * 20 + [1] * 20
        assert listed([2.0] * 20 + [1.0] * 20, calibration([0.5, 0.5], kinds, strength=0), 20) == [0] * 20

    def test_of_equal_scores_the_group_with_the_greatest_share_comes_first(self):
        order = listed([1.0] * 30, calibration([0.2, 0.7, 0.1], [0, 1, 2] * 10), 10)
        assert order[0] == 1
        assert order.count(1) == pytest.approx(7, abs=1)

    def test_a_group_without_candidates_leaves_its_places_to_the_others_in_proportion(self):
        order = listed([1.0] * 60, calibration([0.4, 0.4, 0.2], [0, 2] * 30), 30)
        assert order.count(0) == pytest.approx(20, abs=1)

    @given(st.lists(st.floats(0.05, 1), min_size=2, max_size=6), st.integers(1, 40))
    def test_every_stretch_from_the_first_place_on_is_close_to_the_target(self, weights, length):
        target = np.array(weights) / sum(weights)
        kinds = [kind for kind in range(len(target)) for _ in range(length)]
        order = listed([1.0] * len(kinds), calibration(target.tolist(), kinds), length)
        counts = np.bincount(order, minlength=len(target))
        assert np.abs(counts - length * target).max() <= len(target)


class TestDivergence:
    def test_gains_are_the_divergence_that_a_candidate_leaves_times_the_length(self):
        target, smoothing = np.array([0.75, 0.25]), 0.01
        state = CalibrationState(calibration(target.tolist(), [0, 1], strength=2))
        state.add(0)
        shares = np.array([[1.0, 0.0], [0.5, 0.5]])
        shares = (1 - smoothing) * shares + smoothing * target
        divergence = (target * np.log(target / shares)).sum(axis=1)
        np.testing.assert_allclose(state.gains(), -2 * 2 * divergence)

    def test_a_candidate_may_belong_to_several_groups_in_part(self):
        memberships = np.array([[1.0, 0.0], [0.5, 0.5]])
        wanted = Calibration(np.array([0.5, 0.5]), np.array([0, 1]), memberships, 1.0)
        assert CalibrationState(wanted).gains().argmax() == 1

    @pytest.mark.parametrize(
        ("target", "kinds", "strength"),
        [([0.5, 0.4], [0], 1), ([1.5, -0.5], [0], 1), ([0.5, 0.5], [2], 1), ([0.5, 0.5], [-1], 1)],
    )
    def test_shares_that_do_not_sum_to_one_and_unknown_kinds_are_refused(self, target, kinds, strength):
        with pytest.raises(ShapeError):
            calibration(target, kinds, strength)
