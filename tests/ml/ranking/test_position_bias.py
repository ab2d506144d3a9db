import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.ranking.position_bias import examination_probability, fit_exponent, inverse_propensity_weights


class TestExamination:
    def test_the_first_place_is_always_examined_and_the_fourth_half_as_often_at_one_half(self):
        assert examination_probability(np.array([0, 3]), 0.5).tolist() == [1, 0.5]

    def test_without_position_bias_every_place_is_examined(self):
        assert examination_probability(np.arange(5), 0).tolist() == [1] * 5

    @pytest.mark.parametrize(
        ("positions", "exponent"), [(np.array([-1]), 1), (np.array([0]), -1), (np.array([0.0]), 1)]
    )
    def test_negative_places_and_exponents_are_refused(self, positions, exponent):
        with pytest.raises(ShapeError):
            examination_probability(positions, exponent)


def always(positions: np.ndarray) -> np.ndarray:
    """Propensities of listings placed uniformly at random."""
    return np.ones(len(positions), np.float32)


class TestFitExponent:
    @pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
    def test_the_fitted_exponent_is_the_bias_that_clicks_were_drawn_with(self, rng, exponent):
        positions = rng.integers(0, 20, 60_000)
        clicked = rng.random(len(positions)) < 0.3 * examination_probability(positions, exponent)
        assert fit_exponent(positions, clicked, always(positions)) == pytest.approx(exponent, abs=0.1)

    def test_the_fitted_exponent_does_not_depend_on_how_often_a_place_was_filled(self, rng):
        positions = rng.geometric(0.2, 60_000) - 1
        clicked = rng.random(len(positions)) < 0.3 * examination_probability(positions, 0.5)
        assert fit_exponent(positions, clicked, always(positions)) == pytest.approx(0.5, abs=0.1)

    @pytest.mark.parametrize("exponent", [0.0, 1.0])
    def test_better_listings_at_earlier_places_are_not_taken_for_position_bias(self, rng, exponent):
        """Slots as by Thompson sampling: the better of two listings comes first in four of five slates."""
        better_first = rng.random(60_000) < 0.8
        places = np.array([9, 19])
        positions = np.tile(places, len(better_first))
        is_better = np.column_stack([better_first, ~better_first]).ravel()
        likely = np.repeat(np.where(better_first, 0.8, 0.2), 2)
        rate = np.where(is_better, 0.9, 0.1) * examination_probability(positions, exponent)
        clicked = rng.random(len(positions)) < rate
        assert fit_exponent(positions, clicked, likely) == pytest.approx(exponent, abs=0.1)
        assert fit_exponent(positions, clicked, always(positions)) > exponent + 0.5

    def test_without_a_click_no_position_bias_is_fitted(self):
        assert fit_exponent(np.arange(9), np.zeros(9, np.bool_), np.ones(9)) == 0

    def test_without_a_slot_no_position_bias_is_fitted(self):
        assert fit_exponent(np.empty(0, np.int64), np.empty(0, np.bool_), np.empty(0)) == 0


class TestInverseWeights:
    def test_a_click_at_a_place_seldom_examined_weighs_more_up_to_a_limit(self):
        assert inverse_propensity_weights(np.array([1, 0.5, 0.01]), 10).tolist() == [1, 2, 10]

    @pytest.mark.parametrize("chance", [0.0, 1.1, np.nan])
    def test_inverse_propensity_weights_refuse_what_is_no_chance(self, chance):
        with pytest.raises(ShapeError):
            inverse_propensity_weights(np.array([chance]))
