import json

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from ml.arrays import ShapeError
from ml.encoder.classifier import (
    Calibration,
    Classifier,
    Evidence,
    Labels,
    calibration_error,
    fit_calibration,
)

LABELS = Labels(("Home", "Sports"), ("Home / Lamps", "Home / Sofas", "Sports / Bikes"), (0, 0, 1))
UNKNOWN = np.nan


def logs(*rows) -> np.ndarray:
    """Logarithms of probabilities, float32."""
    return np.log(np.array(rows, np.float32))


def evidence(photo, words, photo_leaves=None, words_leaves=None) -> Evidence:
    """Evidence from probabilities of roots; leaves are uninformative unless given."""
    say_nothing = [1 / 3, 1 / 3, 1 / 3]
    given = [
        [say_nothing if row[0] == row[0] else [UNKNOWN] * 3 for row in roots] if leaves is None else leaves
        for roots, leaves in ((photo, photo_leaves), (words, words_leaves))
    ]
    return Evidence(logs(*photo), logs(*words), *(logs(*leaves) for leaves in given))


NOBODY = [UNKNOWN, UNKNOWN]


class TestLabels:
    def test_labels_hold_each_name_once_in_order_and_each_path_with_its_root(self):
        roots = ["Sports", "Home", "Home", "Sports"]
        paths = ["Sports / Bikes", "Home / Sofas", "Home / Lamps", "Sports / Bikes"]
        assert Labels.of(roots, paths) == LABELS

    def test_a_root_category_may_be_a_path_itself(self):
        assert Labels.of(["Home", "Home"], ["Home", "Home / Sofas"]).root_of_leaf == (0, 0)

    def test_labels_survive_json(self):
        assert Labels.from_json(json.loads(json.dumps(LABELS.to_json()))) == LABELS

    def test_loading_labels_names_the_missing_field(self):
        with pytest.raises(KeyError, match="root_of_leaf"):
            Labels.from_json({"roots": ["a"], "leaves": ["a"]})

    def test_labels_demand_a_path_for_each_root(self):
        with pytest.raises(ValueError, match="shorter"):
            Labels.of(["Home"], ["Home / Sofas", "Home / Lamps"])


class TestASide:
    def test_a_root_is_judged_directly_and_by_the_paths_below_it(self):
        # sqrt(.5 * (.2 + .6)) to sqrt(.5 * .2) is two to one.
        roots, leaves = Classifier(LABELS).side(logs([0.5, 0.5]), logs([0.2, 0.6, 0.2]))
        np.testing.assert_allclose(np.exp(roots), [[2 / 3, 1 / 3]], rtol=1e-5)
        np.testing.assert_allclose(np.exp(leaves), [[0.2, 0.6, 0.2]], rtol=1e-5)

    def test_logits_need_not_be_normalised(self):
        classifier = Classifier(LABELS)
        normed = classifier.side(logs([0.3, 0.7]), logs([0.1, 0.6, 0.3]))
        shifted = classifier.side(logs([0.3, 0.7]) + 5, logs([0.1, 0.6, 0.3]) - 40)
        for one, other in zip(normed, shifted, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)

    @pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((2, 2), (2, 2)), ((2, 2), (1, 3))])
    def test_a_classifier_refuses_logits_of_other_labels(self, shapes):
        with pytest.raises(ShapeError):
            Classifier(LABELS).side(*(np.zeros(shape, np.float32) for shape in shapes))


class TestProbabilities:
    CLASSIFIER = Classifier(LABELS, Calibration(photo=2.0, words=1.0, both=0.5, photo_share=0.25))

    def test_the_temperature_is_that_of_the_sides_that_are_known(self):
        # .8 to .2 is four to one; at a temperature of 2 that is two to one.
        probabilities = self.CLASSIFIER.roots(evidence([[0.8, 0.2], NOBODY], [NOBODY, [0.8, 0.2]]))
        np.testing.assert_allclose(probabilities, [[2 / 3, 1 / 3], [0.8, 0.2]], rtol=1e-5)

    def test_photo_and_words_count_by_their_share(self):
        # Photo 16 to 1 at a quarter is 2, words 1 to 3 at three quarters 3 ** -.75; the temperature squares.
        probabilities = self.CLASSIFIER.roots(evidence([[16 / 17, 1 / 17]], [[0.25, 0.75]]))
        odds = (2 * 3**-0.75) ** 2
        np.testing.assert_allclose(probabilities, [[odds / (1 + odds), 1 / (1 + odds)]], rtol=1e-5)

    def test_a_listing_of_which_nothing_is_known_has_unknown_probabilities(self):
        given = evidence([NOBODY, [0.8, 0.2]], [NOBODY, NOBODY])
        for probabilities in (self.CLASSIFIER.roots(given), self.CLASSIFIER.leaves(given)):
            assert np.isnan(probabilities).all(axis=1).tolist() == [True, False]
            assert not np.isnan(probabilities[1]).any()

    def test_path_probabilities_sum_to_their_root_and_all_to_one(self, rng):
        photo, words = softmax(rng.standard_normal((2, 40, 2)) * 3, axis=2)
        leaves = softmax(rng.standard_normal((2, 40, 3)) * 3, axis=2)
        photo[:10], leaves[0][:10], words[10:20], leaves[1][10:20] = [UNKNOWN] * 4
        given = evidence(photo, words, *leaves)
        roots, paths = self.CLASSIFIER.roots(given), self.CLASSIFIER.leaves(given)
        assert roots.dtype == paths.dtype == np.float32
        np.testing.assert_allclose(paths.sum(axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(paths[:, :2].sum(axis=1), roots[:, 0], atol=1e-5)
        np.testing.assert_allclose(paths[:, 2], roots[:, 1], atol=1e-5)

    def test_within_a_root_path_probabilities_keep_the_proportions_of_the_leaves(self):
        one = Classifier(LABELS)
        probabilities = one.leaves(evidence([NOBODY], [[0.9, 0.1]], words_leaves=[[0.1, 0.3, 0.6]]))
        np.testing.assert_allclose(probabilities, [[0.225, 0.675, 0.1]], rtol=1e-5)

    def test_a_classifier_of_no_listings_gives_no_rows(self):
        nothing = Evidence(*(np.empty((0, width), np.float32) for width in (2, 2, 3, 3)))
        assert Classifier(LABELS).roots(nothing).shape == (0, 2)
        assert Classifier(LABELS).leaves(nothing).shape == (0, 3)


class TestFitting:
    COUNT, ROOTS = 4000, 4

    @pytest.fixture
    def truth(self, rng) -> tuple[np.ndarray, np.ndarray]:
        """Calibrated logits of listings (n, r), and their roots (n,), drawn from them."""
        logits = rng.standard_normal((self.COUNT, self.ROOTS)) * 2
        drawn = (softmax(logits, axis=1).cumsum(axis=1) < rng.random((self.COUNT, 1))).sum(axis=1)
        return logits.astype(np.float32), drawn

    def of_sides(self, photo: np.ndarray, words: np.ndarray) -> Evidence:
        """From logits of the roots; leaves play no part."""
        leaves = np.empty((len(photo), 0), np.float32)
        return Evidence(log_softmax(photo, axis=1), log_softmax(words, axis=1), leaves, leaves)

    @pytest.mark.parametrize("scale", [3.0, 1.0, 0.4])
    def test_the_fitted_temperature_undoes_the_overconfidence_of_a_side(self, truth, scale):
        logits, roots = truth
        nobody = np.full_like(logits, np.nan)
        by_photo = fit_calibration(self.of_sides(logits * scale, nobody), roots)
        by_words = fit_calibration(self.of_sides(nobody, logits * scale), roots)
        assert by_photo.photo == pytest.approx(scale, rel=0.1)
        assert by_words.words == pytest.approx(scale, rel=0.1)

    def test_a_side_that_no_listing_has_keeps_its_default_temperature(self, truth):
        logits, roots = truth
        nobody = np.full_like(logits, np.nan)
        fitted, usual = fit_calibration(self.of_sides(nobody, logits * 3), roots), Calibration()
        assert (fitted.photo, fitted.both, fitted.photo_share) == (usual.photo, usual.both, usual.photo_share)
        assert fit_calibration(self.of_sides(nobody, nobody), roots) == usual

    def test_an_uninformative_photo_gets_hardly_any_share_beside_informative_words(self, truth, rng):
        logits, roots = truth
        noise = rng.standard_normal(logits.shape).astype(np.float32)
        assert fit_calibration(self.of_sides(noise, logits), roots).photo_share < 0.1
        assert fit_calibration(self.of_sides(logits, noise), roots).photo_share > 0.85

    def test_few_listings_hardly_move_the_share_of_the_photo(self, truth, rng):
        logits, roots = truth
        noise = rng.standard_normal(logits.shape).astype(np.float32)
        few = self.of_sides(noise[:10], logits[:10])
        assert 0.1 < fit_calibration(few, roots[:10]).photo_share < Calibration().photo_share

    def test_calibration_makes_overconfident_probabilities_honest(self, truth):
        logits, roots = truth
        nobody = np.full_like(logits, np.nan)
        given = self.of_sides(logits * 4, nobody)
        labels = Labels(*(tuple("abcd"),) * 2, tuple(range(self.ROOTS)))
        before = calibration_error(Classifier(labels).roots(given), roots)
        fitted = fit_calibration(given, roots)
        assert before > 0.12
        assert calibration_error(Classifier(labels, fitted).roots(given), roots) < 0.03


class TestCalibrationError:
    def claims(self, *confidences: float) -> np.ndarray:
        """Evidence for the first of two labels with this probability."""
        return np.array([[sure, 1 - sure] for sure in confidences], np.float32)

    def right(self, count: int, of: int) -> np.ndarray:
        return np.array([0] * count + [1] * (of - count))

    def test_calibrated_claims_have_no_calibration_error(self):
        assert calibration_error(self.claims(*[0.8] * 10), self.right(8, of=10)) == pytest.approx(0, abs=1e-6)

    def test_claims_of_nine_in_ten_that_hold_in_six_have_an_error_of_three_tenths(self):
        assert calibration_error(self.claims(*[0.9] * 10), self.right(6, of=10)) == pytest.approx(0.3)

    def test_overconfidence_in_one_bin_does_not_offset_modesty_in_another(self):
        claims = self.claims(*[0.9] * 10, *[0.6] * 30)
        labels = np.concatenate([self.right(6, of=10), self.right(24, of=30)])
        assert calibration_error(claims, labels) == pytest.approx((10 * 0.3 + 30 * 0.2) / 40)

    def test_overconfidence_and_modesty_offset_each_other_within_a_bin(self):
        claims = self.claims(*[0.91] * 10, *[0.92] * 10)
        labels = np.concatenate([self.right(10, of=10), self.right(8, of=10)])
        assert calibration_error(claims, labels) == pytest.approx(0.915 - 0.9, abs=1e-6)
        assert calibration_error(claims, labels, bin_count=1000) == pytest.approx((0.09 + 0.12) / 2)

    def test_claims_of_certainty_count_towards_the_calibration_error(self):
        assert calibration_error(self.claims(1.0, 1.0), self.right(1, of=2)) == pytest.approx(0.5)

    def test_claims_of_certainty_fall_into_the_last_bin(self):
        claims = self.claims(*[0.95] * 10, *[1.0] * 10)
        labels = np.concatenate([self.right(10, of=10), self.right(9, of=10)])
        assert calibration_error(claims, labels) == pytest.approx((1.0 - 0.5) / 20, abs=1e-6)

    def test_only_the_likeliest_label_counts_towards_the_calibration_error(self):
        unsure = np.array([[0.2, 0.5, 0.3]], np.float32)
        assert calibration_error(unsure, np.array([1])) == pytest.approx(0.5)
        assert calibration_error(unsure, np.array([2])) == pytest.approx(0.5)

    def test_the_calibration_error_of_no_claims_is_zero(self):
        assert calibration_error(np.empty((0, 2), np.float32), np.empty(0, np.int64)) == 0

    @pytest.mark.parametrize("labels", [np.array([0]), np.array([0.0, 1.0])])
    def test_the_calibration_error_demands_a_label_number_for_each_row(self, labels):
        with pytest.raises(ShapeError):
            calibration_error(self.claims(0.9, 0.8), labels)
