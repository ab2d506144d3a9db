import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.evaluation.reward_model import cross_fitted_rewards

COUNT = 400


@pytest.fixture
def rng():
    return np.random.default_rng(4)


class TestCrossFitted:
    def test_cross_fitted_rewards_predict_unseen_rows_from_their_features(self, rng):
        features = rng.normal(size=(COUNT, 2)).astype(np.float32)
        rewards = 0.5 + 0.3 * features[:, 0] + 0.05 * rng.normal(size=COUNT)
        other = features[::-1].copy()
        seen, predicted_other = cross_fitted_rewards(
            features, rewards, np.arange(COUNT) // 4, [features, other], seed=0
        )
        assert np.corrcoef(seen, rewards)[0, 1] > 0.95
        assert predicted_other == pytest.approx(0.5 + 0.3 * other[:, 0], abs=0.05)

    def test_no_actors_reward_is_predicted_from_their_own_rows(self, rng):
        """The rewards of one actor follow from a feature that only this actor has."""
        features = np.zeros((COUNT, 1), np.float32)
        clusters = np.arange(COUNT) // 40
        features[clusters == 3], rewards = 1, np.zeros(COUNT)
        rewards[clusters == 3] = 5
        foretold = cross_fitted_rewards(features, rewards, clusters, [features], seed=0)[0]
        assert (np.abs(foretold[clusters == 3]) < 0.1).all()

    def test_an_unknown_feature_is_informative_to_the_reward_model(self, rng):
        features = rng.normal(size=(COUNT, 1)).astype(np.float32)
        features[::2] = np.nan
        rewards = np.isnan(features[:, 0]).astype(np.float64)
        foretold = cross_fitted_rewards(features, rewards, np.arange(COUNT), [features], seed=0)[0]
        assert foretold == pytest.approx(rewards, abs=0.15)

    def test_from_features_that_are_all_unknown_the_mean_reward_is_predicted(self, rng):
        features = np.full((COUNT, 3), np.nan, np.float32)
        rewards = rng.random(COUNT)
        foretold = cross_fitted_rewards(features, rewards, np.arange(COUNT), [features], seed=0)[0]
        assert foretold == pytest.approx(rewards.mean(), abs=0.05)

    @pytest.mark.parametrize("level", [0.0, 1.0])
    def test_a_feature_that_varies_in_one_fold_alone_does_not_blow_up(self, rng, level):
        """One slot of one actor has another value; elsewhere rounding is all that varies."""
        features = np.column_stack([rng.normal(size=COUNT), np.full(COUNT, level)])
        features[:, 1] += 6e-8 * rng.normal(size=COUNT) * (level + (np.arange(COUNT) == 0))
        features[7, 1] += 0.8
        rewards = rng.integers(-1, 8, COUNT).astype(np.float64)
        found = cross_fitted_rewards(features, rewards, np.arange(COUNT) // 4, [features], seed=0)[0]
        assert np.abs(found - rewards.mean()).max() < 3

    def test_predictions_lie_near_the_rewards_that_were_seen(self, rng):
        features = rng.normal(size=(COUNT, 1))
        rewards = (features[:, 0] > 0).astype(np.float64)
        found = cross_fitted_rewards(features, rewards, np.arange(COUNT), [100 * features], seed=0)[0]
        assert -0.6 < found.min() < found.max() < 1.6

    def test_the_rewards_of_a_single_actor_are_predicted_as_zero(self):
        features = np.ones((5, 1), np.float32)
        predicted = cross_fitted_rewards(features, np.ones(5), np.zeros(5, np.int64), [features], seed=0)[0]
        assert predicted.tolist() == [0] * 5

    @pytest.mark.parametrize("other_features", [np.ones((4, 1)), np.ones((5, 2)), np.full((5, 1), np.inf)])
    def test_the_reward_model_refuses_other_shapes_and_infinite_features(self, other_features):
        features = np.ones((5, 1), np.float32)
        with pytest.raises(ShapeError):
            cross_fitted_rewards(
                features, np.ones(5), np.arange(5), [other_features.astype(np.float32)], seed=0
            )
