"""Publishing, loading and rolling back rankers."""

import pytest

from recommendations.model_registry import artifacts, watcher
from recommendations.model_registry.publication import NoEarlierModel
from recommendations.models.feature_names import FEATURES
from recommendations.models.trained_models import TrainedModel
from recommendations.ranker import store
from tests.recommendations.logged_feeds import (
    ranker_by,
)


class TestRankerStore:
    @pytest.fixture
    def published(self, db) -> TrainedModel:
        return self.publish("first")

    def publish(self, version: str) -> TrainedModel:
        return store.publish(ranker_by("affinity"), version, metrics={}, verdict="")

    def damage(self, row: TrainedModel, name: str) -> None:
        (artifacts.settings.MODEL_ROOT / row.path / name).write_bytes(b"not a model")

    def test_a_process_takes_up_a_published_ranker_and_lets_it_go_after_a_rollback(
        self, published, follow, still_replica, now
    ):
        ranker = follow().ranker
        assert ranker.version == published.version
        still_replica._looked_at = ("", 0)  # the view is loaded anew
        assert follow().ranker is ranker
        store.rollback(now=now)
        assert follow().ranker is None

    @pytest.mark.parametrize("name", ["ranker.txt", "ranker.json", "model.json"])
    def test_damaged_ranker_files_are_recorded_and_feeds_go_on_without(self, follow, still_replica, name):
        published = self.publish("first")
        self.damage(published, name)
        assert follow().ranker is None
        assert still_replica.degraded == {"ranker"}
        published.refresh_from_db()
        assert name in published.problem

    def test_a_ranker_of_other_features_is_not_used(self, follow, still_replica, monkeypatch):
        published = self.publish("first")
        monkeypatch.setattr("recommendations.models.feature_names.FEATURES", (*FEATURES, "something_new"))
        assert follow().ranker is None
        assert still_replica.degraded == {"ranker"}
        published.refresh_from_db()
        assert "trained on" in published.problem and "something_new" in published.problem

    def test_while_the_newest_ranker_is_damaged_the_one_before_serves(self, published):
        self.damage(self.publish("second"), "ranker.txt")
        assert watcher.ModelWatcher(store).look().version == "first"

    def test_rolling_rankers_back_ends_at_the_blend(self, published, now):
        self.publish("second")
        assert store.rollback(now=now) == published
        assert store.rollback(now=now) is None
        assert store.active() is None
        with pytest.raises(NoEarlierModel):
            store.rollback(now=now)

    def test_a_ranker_was_refused_if_the_newest_training_was(self, published):
        assert not store.was_refused()
        store.reject("second", metrics={}, verdict="Not better than the blend")
        assert store.was_refused()
        self.publish("third")
        assert not store.was_refused()
