import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.evaluation.slate_metrics import graded_ndcg, slate_weights
from ml.ranking.lambdarank import CLICK, HIDDEN, NO_INTERACTION, PURCHASE, Slates
from ml.ranking.position_bias import examination_probability


def slates(*grades: list[int], exponent: float = 0.0) -> Slates:
    """Without features, each from its first place on."""
    sizes = np.array([len(each) for each in grades])
    places = np.concatenate([np.arange(size) for size in sizes])
    count = int(sizes.sum())
    return Slates(
        np.zeros((count, 1), np.float32),
        np.concatenate(grades),
        sizes,
        examination_probability(places, exponent),
    )


class TestGradedNdcg:
    def test_graded_ndcg_equals_a_computation_by_hand(self):
        shown = slates([NO_INTERACTION, CLICK, HIDDEN])
        discounts = 1 / np.log2([2, 3, 4])
        ideal = [1.0, 0.1, 0.0] @ discounts
        worst_first = graded_ndcg(shown, np.array([1.0, 0.0, 2.0]))
        assert worst_first == pytest.approx([0.0, 0.1, 1.0] @ discounts / ideal)
        assert graded_ndcg(shown, np.array([1.0, 2.0, 0.0])) == pytest.approx(1)

    def test_graded_ndcg_orders_each_slate_by_itself(self):
        shown = slates([CLICK, NO_INTERACTION], [NO_INTERACTION, NO_INTERACTION, PURCHASE])
        gains = graded_ndcg(shown, np.array([5.0, 4.0, 0.1, 0.2, 0.3]))
        assert gains == pytest.approx([1, 1])

    def test_listings_beyond_k_do_not_count_for_graded_ndcg(self):
        shown = slates([HIDDEN, CLICK])
        assert graded_ndcg(shown, np.array([1.0, 0.0]), k=1) == pytest.approx([0])

    def test_unknown_scores_come_last_in_graded_ndcg(self):
        shown = slates([CLICK, NO_INTERACTION])
        assert graded_ndcg(shown, np.array([np.nan, -9.0])) < graded_ndcg(shown, np.array([0.0, -9.0]))

    def test_equal_scores_do_not_keep_the_logged_order_in_graded_ndcg(self):
        """Otherwise constant scores would be as good as the logged order."""
        shown = slates(*[[CLICK, *[NO_INTERACTION] * 9]] * 200)
        flat = graded_ndcg(shown, np.zeros(2000))
        assert 0.4 < flat.mean() < 0.7
        np.testing.assert_array_equal(flat, graded_ndcg(shown, np.zeros(2000)))

    def test_a_click_at_a_place_that_few_examine_gains_more(self):
        shown = slates([CLICK, NO_INTERACTION, NO_INTERACTION, CLICK], exponent=1.0)
        lower_first = graded_ndcg(shown, np.array([1.0, 0.0, 0.0, 2.0]))
        assert lower_first == pytest.approx(1)
        assert graded_ndcg(shown, np.array([2.0, 0.0, 0.0, 1.0])) < 0.8

    def test_graded_ndcg_refuses_scores_of_other_rows(self):
        with pytest.raises(ShapeError):
            graded_ndcg(slates([CLICK, NO_INTERACTION]), np.zeros(3))


class TestStandingFor:
    def test_a_slate_weighs_by_the_mean_inverse_examination_of_its_clicks(self):
        top, bottom = (
            [CLICK, NO_INTERACTION, NO_INTERACTION, NO_INTERACTION],
            [NO_INTERACTION, NO_INTERACTION, NO_INTERACTION, CLICK],
        )
        both, nothing = [CLICK, NO_INTERACTION, NO_INTERACTION, CLICK], [NO_INTERACTION] * 4
        weights = slate_weights(slates(top, bottom, both, nothing, exponent=1.0))
        assert weights == pytest.approx([1, 4, 2.5, 1])
        assert slate_weights(slates(top, bottom)) == pytest.approx([1, 1])
