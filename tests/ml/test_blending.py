import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ml.arrays import ShapeError
from ml.blending import blend, weighted_mean, z_scores

UNKNOWN = np.nan
scores_with_gaps = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.integers(1, 4)),
    elements=st.one_of(st.just(UNKNOWN), st.floats(-50, 50, width=16)),
)


class TestZScores:
    @given(scores_with_gaps)
    def test_unknown_stays_unknown_and_known_stays_known(self, scores):
        assert (np.isnan(z_scores(scores)) == np.isnan(scores)).all()

    @given(scores_with_gaps)
    def test_the_order_within_a_column_is_kept(self, scores):
        for before, after in zip(scores.T, z_scores(scores).T, strict=True):
            known = ~np.isnan(before)
            order = np.argsort(before[known], kind="stable")
            assert (np.diff(after[known][order]) >= -1e-4).all()

    def test_known_values_get_mean_zero_and_deviation_one(self):
        found = z_scores(np.array([[1.0], [UNKNOWN], [3.0]], np.float32))
        assert found[[0, 2], 0].tolist() == [-1, 1]

    @pytest.mark.parametrize("column", [[5.0, 5.0, 5.0], [UNKNOWN, 0.7, UNKNOWN], [1e6, 1e6, 1e6]])
    def test_a_column_that_orders_nothing_says_zero_where_it_knows(self, column):
        found = z_scores(np.array([column], np.float32).T)[:, 0]
        assert np.array_equal(found, np.where(np.isnan(column), np.nan, 0), equal_nan=True)

    def test_a_column_that_knows_nothing_stays_silent(self):
        assert np.isnan(z_scores(np.full((3, 1), UNKNOWN, np.float32))).all()

    def test_no_rows_are_no_trouble(self):
        assert z_scores(np.empty((0, 3), np.float32)).shape == (0, 3)


class TestBlend:
    def test_sources_of_different_scale_count_alike(self):
        scores = np.array([[0.1, 900], [0.2, 800], [0.3, 700]], np.float32)
        assert np.allclose(blend(scores, np.array([1.0, 1.0])), 0, atol=1e-6)

    def test_a_listing_one_source_does_not_know_is_judged_by_the_other(self):
        scores = np.array([[1, UNKNOWN], [0, 5], [-1, 6]], np.float32)
        blended = blend(scores, np.array([1.0, 1.0]))
        assert blended[0] == pytest.approx(z_scores(scores)[0, 0])
        assert blended[0] > blended[2] > blended[1]  # (-1.22 + 1) / 2 lies above (0 - 1) / 2

    def test_what_no_weighted_source_knows_stays_unknown(self):
        scores = np.array([[UNKNOWN, 3], [1, 4], [2, 5]], np.float32)
        assert np.isnan(blend(scores, np.array([1.0, 0.0]))).tolist() == [True, False, False]

    def test_weights_count_by_their_proportion_alone(self, rng):
        scores = rng.standard_normal((9, 3))
        assert np.allclose(
            blend(scores, np.array([1.0, 2.0, 3.0])), blend(scores, np.array([10.0, 20.0, 30.0]))
        )

    def test_a_weight_for_each_source_is_demanded(self):
        with pytest.raises(ShapeError):
            blend(np.zeros((2, 3), np.float32), np.ones(2))

    @given(scores_with_gaps)
    def test_a_mean_lies_between_what_it_is_the_mean_of(self, scores):
        found = weighted_mean(scores, np.ones(scores.shape[1]))
        for row, mean in zip(scores, found, strict=True):
            known = row[~np.isnan(row)]
            assert np.isnan(mean) if not len(known) else known.min() - 0.1 <= mean <= known.max() + 0.1
