import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.encoder import look as look_module
from ml.encoder.look import EARLIER, fit_look, signed_sqrt

PARTS = (16, 8, 4)  # of the last layer, and of two stages before it
WIDTH = sum(PARTS)


@pytest.fixture
def features(rng) -> np.ndarray:
    """Features of 80 photos, nonnegative as those of backbones."""
    return np.abs(rng.standard_normal((80, WIDTH))).astype(np.float16)


def nearly(features: np.ndarray, rng) -> np.ndarray:
    """The same photos after one more compression."""
    noise = 1 + 0.03 * rng.standard_normal(features.shape)
    return (features * noise).astype(np.float16)


class TestReading:
    def test_look_vectors_have_length_one_and_the_dimension_that_was_asked_for(self, features):
        vectors = fit_look(features, PARTS, 12, seed=1).read(features)
        assert vectors.shape == (80, 12)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)

    def test_the_look_of_a_recompressed_photo_is_nearest_to_the_original(self, features, rng):
        look = fit_look(features, PARTS, 12, seed=1)
        alike = look.read(nearly(features, rng)) @ look.read(features).T
        assert alike.argmax(axis=1).tolist() == list(range(80))
        assert np.diag(alike).min() > 0.9

    def test_the_look_tells_photos_apart_that_it_was_not_fitted_on(self, features, rng):
        look = fit_look(features[:40], PARTS, 12, seed=1)
        alike = look.read(nearly(features[40:], rng)) @ look.read(features[40:]).T
        assert alike.argmax(axis=1).tolist() == list(range(40))

    def test_the_look_of_no_photos_is_no_rows(self, features):
        look = fit_look(features, PARTS, 12, seed=1)
        assert look.read(features[:0]).shape == (0, 12)

    def test_the_look_refuses_features_of_another_backbone(self, features):
        with pytest.raises(ShapeError):
            fit_look(features, PARTS, 12, seed=1).read(features[:, 1:])


class TestParts:
    def test_an_earlier_stage_of_the_backbone_counts_the_same_whatever_its_width(self, features):
        look = fit_look(features, PARTS, 12, seed=1)
        spread = (((signed_sqrt(features) - look.mean) * look.scale) ** 2).mean(axis=0)
        shares = [part.sum() for part in np.split(spread, np.cumsum(PARTS)[:-1])]
        np.testing.assert_allclose(shares, [1, EARLIER**2, EARLIER**2], rtol=1e-3)

    def test_the_magnitude_of_an_earlier_stage_does_not_matter_to_the_look(self, features):
        loud = features.astype(np.float32) * np.repeat([1, 400, 0.01], PARTS)
        alike = [
            look.read(each) @ look.read(each).T
            for each in (features, loud)
            for look in (fit_look(each, PARTS, 12, seed=1),)
        ]
        np.testing.assert_allclose(alike[0], alike[1], atol=5e-3)

    def test_in_the_last_layer_features_that_vary_more_count_more(self, features):
        look = fit_look(features, PARTS, 12, seed=1)
        assert np.ptp(look.scale[:16]) < 1e-6
        assert np.ptp(look.scale[16:24]) > 0.01

    def test_the_look_can_be_fitted_on_a_backbone_of_one_part(self, features):
        assert fit_look(features, (WIDTH,), 12, seed=1).read(features).shape == (80, 12)

    def test_a_feature_that_is_zero_for_all_photos_leaves_the_look_finite(self, features):
        features[:, [3, 20]] = 0
        assert np.isfinite(fit_look(features, PARTS, 12, seed=1).read(features)).all()


class TestSmallCatalogues:
    @pytest.mark.parametrize(("count", "dimension"), [(5, 12), (5, 60), (80, 60), (2, 12)])
    def test_fewer_photos_or_features_than_dimensions_still_tell_photos_apart(
        self, features, rng, count, dimension
    ):
        few = features[:count]
        look = fit_look(few, PARTS, dimension, seed=1)
        alike = look.read(nearly(few, rng)) @ look.read(few).T
        assert look.read(few).shape == (count, dimension)
        assert alike.argmax(axis=1).tolist() == list(range(count))

    def test_directions_in_which_no_two_photos_differ_do_not_drown_the_others(self, features, rng):
        few = features[:20]
        look = fit_look(few, PARTS, 24, seed=1)
        assert (look.read(nearly(few, rng)) * look.read(few)).sum(axis=1).min() > 0.5

    def test_the_look_fitted_on_one_photo_is_finite(self, features):
        look = fit_look(features[:1], PARTS, 12, seed=1)
        assert np.isfinite(look.read(features)).all()

    def test_the_look_of_a_large_catalogue_is_fitted_on_a_sample_drawn_by_the_seed(
        self, features, monkeypatch
    ):
        monkeypatch.setattr(look_module, "MOST_PHOTOS", 30)
        axes = [fit_look(features, PARTS, 12, seed=seed).axes for seed in (1, 1, 2)]
        assert np.array_equal(axes[0], axes[1])
        assert not np.array_equal(axes[0], axes[2])


class TestDamped:
    def test_the_signed_square_root_keeps_the_sign(self):
        assert signed_sqrt(np.array([[4, 0, -9]], np.float16)).tolist() == [[2, 0, -3]]

    def test_the_signed_square_root_is_single_precision(self):
        assert signed_sqrt(np.ones((1, 1), np.float16)).dtype == np.float32
