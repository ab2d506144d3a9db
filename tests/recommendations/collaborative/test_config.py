import json

import pytest
from scipy.sparse import csr_matrix

from recommendations.collaborative.config import TrainingConfig


def test_the_confidence_of_als_is_one_plus_alpha_times_the_weight_of_stored_cells():
    weights = csr_matrix([[0.0, 2.0], [0.5, 0.0]])
    assert TrainingConfig(alpha=8.0).confidence(weights).toarray().tolist() == [[0, 17], [5, 0]]


class TestReplaced:
    def test_replaced_values_of_counting_and_normalisation_go_by_their_own_names(self):
        config = TrainingConfig().replaced(factors=8, window=3, target_exponent=0.1)
        assert (config.factors, config.counting.window, config.normalisation.target_exponent) == (8, 3, 0.1)
        assert config.counting.distance_decay == TrainingConfig().counting.distance_decay
        assert config.normalisation.source_exponent == TrainingConfig().normalisation.source_exponent

    def test_a_hyperparameter_that_does_not_exist_is_refused(self):
        with pytest.raises(TypeError, match="layers"):
            TrainingConfig().replaced(layers=2)


class TestWithEnvironment:
    def test_the_environment_overrides_only_the_exponents_that_it_sets(self, settings):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
            update={"covisitation_source_exponent": 0.8, "covisitation_target_exponent": None}
        )
        config = TrainingConfig().replaced(target_exponent=0.2).with_environment()
        assert config.normalisation.source_exponent == 0.8
        assert config.normalisation.target_exponent == 0.2


class TestJson:
    def test_a_training_config_survives_json(self):
        config = TrainingConfig(
            factors=8, blend=((5.0, (1.0, 0.5)), (0.0, (0.2, 0.1))), decays={"Motors": 60.0}
        )
        assert TrainingConfig.from_json(json.loads(json.dumps(config.to_json()))) == config

    def test_distance_decays_are_part_of_the_training_config_and_absent_from_older_ones(self):
        config = TrainingConfig(decays={"Motors": 120.0})
        saved = json.loads(json.dumps(config.to_json()))
        assert TrainingConfig.from_json(saved) == config
        del saved["decays"]
        assert TrainingConfig.from_json(saved) == TrainingConfig()
