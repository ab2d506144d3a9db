"""Weights in environment variables."""

from marketplace.configuration.environment import EVENT_WEIGHTS, Environment, read_environment
from recommendations.collaborative import history
from recommendations.interactions import retractions
from recommendations.interactions import weights as interactions_weights
from recommendations.models.events import Interaction
from recommendations.popularity import trending
from recommendations.taste import profile
from tests.marketplace.programs import NOWHERE, started


class TestEventWeights:
    def test_every_kind_of_event_that_expresses_interest_has_a_weight(self):
        telling_nothing = {*interactions_weights.NEGATIVE_KINDS, *retractions.RETRACTS}
        assert set(EVENT_WEIGHTS) == set(Interaction.Kind.values) - telling_nothing

    def test_training_profiles_and_trending_read_the_same_event_weights(self):
        readers = (history, profile, trending)
        assert all(reader.EVENT_WEIGHTS is interactions_weights.EVENT_WEIGHTS for reader in readers)

    def test_the_environment_sets_event_weights(self):
        code = (
            "from recommendations.interactions.weights import EVENT_WEIGHTS as w; print(w['view'], w['hide'])"
        )
        servers = {"DATABASE_URL": NOWHERE, "REDIS_URL": "redis://127.0.0.1:1"}
        process = started("manage.py", "shell", "-c", code, EVENT_WEIGHTS="view=0.25", **servers)
        assert process.stdout.splitlines()[-1] == "0.25 0.0", process.stderr


class TestSourceWeights:
    def test_source_weights_are_read_by_whole_name_or_by_kind(self, monkeypatch):
        monkeypatch.setenv("SOURCE_WEIGHTS", "service:newsletter=0.3, actor=0")
        assert read_environment().source_weights == {"service:newsletter": 0.3, "actor": 0.0}

    def test_no_source_weight_is_set_by_default(self):
        assert Environment.model_fields["source_weights"].default == {}
