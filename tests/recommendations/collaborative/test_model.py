from datetime import timedelta

import numpy as np
import pytest

from ml.collaborative.covisitation import Counts
from recommendations.collaborative import model as collaborative_model
from recommendations.collaborative.config import TrainingConfig
from recommendations.collaborative.model import Collaborative, Content, fit
from tests.recommendations.collaborative.histories import MOMENT, history_of

RECIPE = TrainingConfig(factors=4, iterations=3)
HISTORY = history_of((1, [10, 11, 12]), (2, [11, 12, 13]), (3, [10, 12]), (4, [12, 10]))


@pytest.fixture
def fitted() -> tuple[Collaborative, Counts]:
    return fit(HISTORY, RECIPE, version="1")


def neighbours_of(model: Collaborative) -> set[int]:
    """Ids of the listings that are anybody's neighbours."""
    return set(model.listing_ids[model.neighbours.items[model.neighbours.weights > 0]].tolist())


class TestFit:
    def test_the_items_of_a_fitted_model_are_the_listings_of_the_history(self, fitted):
        model, counts = fitted
        assert model.listing_ids.tolist() == [10, 11, 12, 13]
        assert model.items_of(np.array([13, 9, 10])).tolist() == [3, -1, 0]
        assert counts.item_count == model.als.item_factors.shape[0] == 4
        assert model.trained_until == MOMENT

    def test_only_showable_listings_are_neighbours_in_a_fitted_model(self, fitted):
        assert neighbours_of(fitted[0]) == {10, 11, 12, 13}
        model, _ = fit(HISTORY, RECIPE, version="1", showable=np.array([10, 13, 99]))
        assert neighbours_of(model) == {10, 13}
        assert model.listing_ids.tolist() == [10, 11, 12, 13]

    def test_a_model_without_enough_vectors_has_no_content_prior(self, monkeypatch):
        vectors = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float16)
        content = Content("encoder-1", np.array([10, 11, 13, 77]), vectors)  # the last without interactions
        monkeypatch.setattr(collaborative_model, "LEAST_FOR_PRIOR", 4)
        model, _ = fit(HISTORY, RECIPE, version="1", content=content)
        assert (model.prior, model.smoother) == (None, None)
        monkeypatch.setattr(collaborative_model, "LEAST_FOR_PRIOR", 3)
        model, _ = fit(HISTORY, RECIPE, version="1", content=content)
        assert model.prior.weights.shape == (3, RECIPE.factors)
        assert model.smoother is not None
        assert model.encoder_version == "encoder-1"


class TestUpdated:
    def test_an_updated_model_has_the_new_neighbours_and_no_digest_and_keeps_its_prior(self, fitted):
        model, counts = fitted
        later = MOMENT + timedelta(hours=1)
        updated = model.updated(model.als, counts, showable=np.array([12]), until=later)
        assert neighbours_of(updated) == {12}
        assert (updated.trained_until, updated.digest) == (later, "")
        assert (updated.prior, updated.version) == (model.prior, model.version)
        assert neighbours_of(model) == {10, 11, 12, 13}, "the model before is unchanged"


class TestScores:
    def test_the_contributions_of_an_actors_items_sum_to_the_score(self, fitted):
        model = fitted[0]
        items, weights = np.array([0, 3]), np.array([1.0, 4.0], np.float32)
        target = model.als.item_factors[2]
        score = model.fold_in(items, weights) @ target
        assert model.contributions(items, weights, target).sum() == pytest.approx(score, abs=1e-5)

    def test_an_actor_is_led_by_covisitation_to_neighbours_of_what_they_touched(self, fitted):
        scores = fitted[0].covisited(np.array([3]), np.ones(1, np.float32))
        assert np.flatnonzero(scores > 0).tolist() == [1, 2]
