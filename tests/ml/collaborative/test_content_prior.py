import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.collaborative.content_prior import NAMES, ContentPrior, ContentSmoother, fit, fit_smoother
from ml.model_files import ModelFileError, read_arrays


@pytest.fixture
def world(rng):
    """300 listings whose factors are a linear map of their vectors: vectors, factors, map, offset."""
    vectors, linear = rng.standard_normal((300, 12)), rng.standard_normal((12, 5))
    offset = rng.standard_normal(5)
    return vectors, vectors @ linear + offset, linear, offset


@pytest.fixture
def prior(world) -> ContentPrior:
    vectors, factors, *_ = world
    return fit(vectors, factors, np.ones(len(vectors)), regularisation=1e-6)


class TestFit:
    def test_a_content_prior_recovers_a_linear_map_and_its_offset(self, world, prior):
        _, _, linear, offset = world
        assert np.allclose(prior.weights, linear, atol=1e-4)
        assert np.allclose(prior.bias, offset, atol=1e-4)
        assert prior.weights.dtype == prior.bias.dtype == np.float32

    def test_a_content_prior_predicts_the_factors_of_listings_it_was_not_fitted_on(self, world, prior, rng):
        _, _, linear, offset = world
        newcomers = rng.standard_normal((7, 12)).astype(np.float16)
        assert np.allclose(prior.factors(newcomers), newcomers @ linear + offset, atol=1e-2)

    def test_listings_with_a_trust_of_zero_do_not_affect_the_content_prior(self, world):
        vectors, factors, linear, _ = world
        trust = np.ones(len(vectors))
        trust[:100] = 0
        spoilt = factors.copy()
        spoilt[:100] += 50
        assert np.allclose(fit(vectors, spoilt, trust, regularisation=1e-6).weights, linear, atol=1e-3)

    def test_only_the_proportion_of_trust_matters_to_the_content_prior(self, world):
        vectors, factors, *_ = world
        trust = np.linspace(1, 3, len(vectors))
        one, other = (fit(vectors, factors, scale * trust, regularisation=5) for scale in (1, 100))
        assert np.allclose(one.weights, other.weights, atol=1e-5)

    @pytest.mark.parametrize("regularisation", [1.0, 300.0])
    def test_factors_from_the_content_prior_are_as_large_as_those_that_als_learned(
        self, world, regularisation
    ):
        vectors, factors, *_ = world
        expected = fit(vectors, factors, np.ones(len(vectors)), regularisation=regularisation)
        assert np.linalg.norm(expected.factors(vectors)) == pytest.approx(np.linalg.norm(factors), rel=1e-3)

    def test_fitting_a_content_prior_demands_factors_and_a_trust_for_each_vector(self, world):
        vectors, factors, *_ = world
        with pytest.raises(ShapeError):
            fit(vectors, factors[:9], np.ones(len(vectors)), regularisation=1)
        with pytest.raises(ShapeError):
            fit(vectors, factors, np.ones(9), regularisation=1)


class TestQuestion:
    def test_the_query_of_a_content_prior_scores_as_its_factors_do(self, world, prior, rng):
        vectors, actor = world[0].astype(np.float32), rng.standard_normal(5).astype(np.float32)
        question, offset = prior.query(actor)
        assert np.allclose(vectors @ question + offset, prior.factors(vectors) @ actor, atol=1e-3)

    def test_a_content_prior_refuses_an_actor_with_another_number_of_factors(self, prior):
        with pytest.raises(ShapeError):
            prior.query(np.ones(4, np.float32))


class TestSmoother:
    @pytest.fixture
    def vectors(self, rng):
        return rng.standard_normal((80, 6)).astype(np.float32)

    def test_the_query_of_a_content_smoother_is_the_ridge_of_the_scores_on_the_vectors(self, vectors, rng):
        scores = rng.random(80).astype(np.float32)
        ridge = np.linalg.solve(vectors.T @ vectors + 3 * np.eye(6), vectors.T @ scores)
        question = fit_smoother(vectors, regularisation=3).query(vectors, scores)
        assert np.allclose(question, ridge, atol=1e-4)
        assert question.dtype == np.float32

    def test_listings_that_score_zero_may_be_left_out_of_a_smoothers_query(self, vectors):
        scores = np.zeros(80, np.float32)
        scores[:5] = 1
        smoother = fit_smoother(vectors, regularisation=3)
        whole = smoother.query(vectors, scores)
        assert np.allclose(smoother.query(vectors[:5], scores[:5]), whole, atol=1e-5)

    def test_a_content_smoother_demands_a_score_for_each_vector(self, vectors):
        smoother = fit_smoother(vectors, regularisation=3)
        with pytest.raises(ShapeError):
            smoother.query(vectors, np.ones(3, np.float32))
        with pytest.raises(ShapeError):
            smoother.query(vectors[:, :5], np.ones(80, np.float32))

    def test_a_saved_content_smoother_is_loaded_unchanged(self, vectors, tmp_path):
        smoother = fit_smoother(vectors, regularisation=3)
        smoother.save(tmp_path / "smoother.npz")
        assert (ContentSmoother.load(tmp_path / "smoother.npz").inverse == smoother.inverse).all()

    @pytest.mark.parametrize("inverse", [np.zeros((5, 6), np.float32), np.zeros((6, 6)), np.float32(0)])
    def test_loading_a_content_smoother_refuses_a_matrix_of_another_shape_or_type(self, tmp_path, inverse):
        np.savez(tmp_path / "smoother.npz", inverse=inverse)
        with pytest.raises(ModelFileError, match=r"smoother\.npz"):
            ContentSmoother.load(tmp_path / "smoother.npz")


class TestSavedPrior:
    @pytest.fixture
    def file(self, prior, tmp_path):
        prior.save(tmp_path / "prior.npz")
        return tmp_path / "prior.npz"

    def test_a_saved_content_prior_is_loaded_unchanged(self, prior, file):
        loaded = ContentPrior.load(file)
        assert (loaded.weights == prior.weights).all()
        assert (loaded.bias == prior.bias).all()

    @pytest.mark.parametrize(
        "change",
        [
            {"bias": np.zeros(4, np.float32)},
            {"bias": np.float32(0)},
            {"weights": np.zeros(12, np.float32)},
            {"weights": np.zeros((12, 5))},
        ],
    )
    def test_loading_a_content_prior_refuses_arrays_that_contradict_each_other(self, file, change):
        np.savez(file, **(read_arrays(file, NAMES) | change))
        with pytest.raises(ModelFileError, match=r"prior\.npz"):
            ContentPrior.load(file)

    @pytest.mark.parametrize("content", [None, b"", b"junk"])
    def test_loading_a_content_prior_refuses_a_missing_or_damaged_file(self, file, content):
        file.unlink() if content is None else file.write_bytes(content)
        with pytest.raises(ModelFileError, match=r"prior\.npz"):
            ContentPrior.load(file)
