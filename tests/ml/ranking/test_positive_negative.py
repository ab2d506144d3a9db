import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.ranking.positive_negative import positive_negative_scores

NOBODY = np.empty((0, 3), np.float32)


def likeness(*rows) -> np.ndarray:
    return np.array(rows, np.float32)


class TestContrast:
    def test_the_score_is_the_likeness_to_the_nearest_positive_example(self):
        score = positive_negative_scores(likeness([0.9, 0.1, 0.2], [0.0, 0.8, 0.1]), NOBODY)
        np.testing.assert_allclose(score, [0.9, 0.8, 0.2])

    def test_likeness_to_the_nearest_negative_example_lowers_the_score_by_half(self):
        score = positive_negative_scores(
            likeness([0.9, 0.8, 0.2]), likeness([0.2, 0.0, 0.0], [0.8, 0.1, 0.0])
        )
        np.testing.assert_allclose(score, [0.5, 0.75, 0.2])

    def test_being_unlike_a_negative_example_raises_no_score(self):
        np.testing.assert_allclose(
            positive_negative_scores(likeness([0.5, 0.4, 0.3]), likeness([-1, 0, -0.5])), [0.5, 0.4, 0.3]
        )

    def test_a_likeness_that_no_example_knows_stays_unknown(self):
        score = positive_negative_scores(
            likeness([np.nan, np.nan, 0.6], [np.nan, 0.4, np.nan]), likeness([0.2, np.nan, np.nan])
        )
        np.testing.assert_allclose(score, [np.nan, 0.4, 0.6])

    def test_without_a_positive_example_every_score_is_unknown(self):
        assert np.isnan(positive_negative_scores(NOBODY, likeness([0.1, 0.2, 0.3]))).all()

    def test_positive_and_negative_examples_must_score_the_same_listings(self):
        with pytest.raises(ShapeError):
            positive_negative_scores(likeness([0.1, 0.2]), NOBODY)
