import numpy as np
import pytest

from ml.arrays import ShapeError, unit_rows
from ml.ranking.interests import choose_interests


@pytest.fixture
def three_tastes(rng) -> np.ndarray:
    """(18, 12) unit: six listings of each of three dissimilar interests"""
    centres = np.repeat(np.eye(3, 12), 6, axis=0)
    return unit_rows(centres + 0.12 * rng.standard_normal(centres.shape))


class TestChooseInterests:
    def test_each_of_three_tastes_gets_an_interest(self, three_tastes):
        chosen = choose_interests(three_tastes, np.ones(18, np.float32))
        assert {position // 6 for position in chosen[:3]} == {0, 1, 2}

    def test_an_interest_is_a_listing_within_its_taste_and_not_between_two(self, three_tastes):
        chosen = choose_interests(three_tastes, np.ones(18, np.float32), limit=2)
        nearest_centre = three_tastes[chosen][:, :3].max(axis=1)
        assert (nearest_centre > 0.85).all()

    def test_one_taste_makes_one_interest(self, three_tastes):
        assert len(choose_interests(three_tastes[:6], np.ones(6, np.float32))) == 1

    def test_the_interest_of_most_weight_comes_first(self, three_tastes):
        weights = np.repeat([1, 1, 5], 6).astype(np.float32)
        assert choose_interests(three_tastes, weights)[0] // 6 == 2

    def test_a_taste_of_hardly_any_weight_gets_no_interest(self, three_tastes):
        weights = np.repeat([1, 1, 0.05], 6).astype(np.float32)
        assert 2 not in choose_interests(three_tastes, weights) // 6

    def test_no_more_interests_are_chosen_than_the_limit(self):
        apart = np.eye(9, dtype=np.float32)
        assert len(choose_interests(apart, np.ones(9, np.float32), limit=4)) == 4

    def test_no_listing_is_chosen_twice_as_an_interest(self):
        apart = np.eye(3, dtype=np.float32)
        assert sorted(choose_interests(apart, np.ones(3, np.float32))) == [0, 1, 2]

    def test_a_single_listing_is_the_interest_itself(self):
        assert choose_interests(np.ones((1, 1), np.float32), np.ones(1, np.float32)).tolist() == [0]

    def test_without_listings_there_is_no_interest(self):
        assert len(choose_interests(np.empty((0, 4), np.float32), np.empty(0, np.float32))) == 0

    def test_choosing_interests_demands_a_weight_for_each_listing(self, three_tastes):
        with pytest.raises(ShapeError):
            choose_interests(three_tastes, np.ones(3, np.float32))
