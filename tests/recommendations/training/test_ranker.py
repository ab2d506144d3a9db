"""Training a ranker in synthetic worlds: what it learns, when it is refused, which ranker serves."""

import re
from datetime import datetime, timedelta

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from listings.models import Listing
from ml.progress import ignore_progress
from recommendations.core import locks
from recommendations.core.locks import AlreadyTraining
from recommendations.model_registry import artifacts, watcher
from recommendations.model_registry.publication import NoEarlierModel
from recommendations.models.feature_names import FEATURES
from recommendations.models.trained_models import TrainedModel
from recommendations.ranker import dataset, store
from recommendations.ranker.dataset import TooFewSlates, read_ranker_dataset
from recommendations.training.ranker import RankerRefused, train_ranker
from tests.recommendations.conftest import elsewhere
from tests.recommendations.logged_feeds import (
    NAMES,
    Crowd,
    no_taste,
    ranker_by,
    taste_for_affinity,
    taste_for_far_away,
    taste_for_the_blend,
)

BLEND = FEATURES.index("blend")


def rows(**known) -> np.ndarray:
    """Features of listings of which only this one is known."""
    count = len(next(iter(known.values())))
    features = np.full((count, len(FEATURES)), np.nan, np.float32)
    for name, values in known.items():
        features[:, FEATURES.index(name)] = values
    return features


@pytest.fixture
def keen(alice, now) -> Crowd:
    return Crowd(alice, now, appeal=taste_for_affinity)


def later(now: datetime) -> datetime:
    return now + timedelta(hours=1)


class TestLearning:
    def test_a_ranker_learns_what_the_blend_misses_and_is_published(self, keen, now):
        row = train_ranker(now=now)
        assert store.active() == row
        low, high = row.metrics["gain_over_blend"]
        assert 0 < low < row.metrics["ndcg"] - row.metrics["ndcg_blend"] < high
        ranker = store.load(row)
        assert ranker.version == row.version
        scores = ranker.model.predict(rows(blend=[0, 0, 0], affinity=[-2, 0, 2], distance_km=[5, 5, 5]))
        assert scores[0] < scores[1] < scores[2]

    def test_a_ranker_no_better_than_the_blend_is_rejected_and_published_by_force_alone(self, alice, now):
        Crowd(alice, now, appeal=taste_for_the_blend)
        why = (
            r"Not better than the blend .* NDCG@20 0\.\d+ against 0\.\d+ .* the feed keeps its current order"
        )
        with pytest.raises(RankerRefused, match=why):
            train_ranker(now=now)
        assert store.active() is None
        refused = store.trainings().get()
        assert (refused.status, refused.path) == ("rejected", "")
        assert refused.metrics["gain_over_blend"][0] <= 0
        assert "not published" not in refused.verdict
        forced = train_ranker(now=later(now), force=True)
        assert store.active() == forced
        assert forced.metrics["forced"] is True
        assert forced.verdict.startswith("Published by force. Not better than the blend")

    def test_the_trained_ranker_never_prefers_what_is_further_away(self, alice, now):
        Crowd(alice, now, appeal=taste_for_far_away, slate_count=400)  # two of three bring clicks
        model = store.load(train_ranker(now=now, force=True)).model
        distance = np.linspace(0, 100, 50)
        same = np.zeros(50)
        for affinity in (-1, 1):
            scores = model.predict(rows(blend=same, affinity=same + affinity, distance_km=distance))
            assert (np.diff(scores) <= 0).all()


class TestMaterial:
    def read(self, now):
        return read_ranker_dataset(now=now, progress=ignore_progress)

    def test_the_ranker_learns_features_as_they_were_logged(self, keen, now):
        Listing.objects.update(price=9999)
        told = np.concatenate(keen.drawn)[:, [NAMES.index(name) for name in FEATURES]]
        row_of = {row[BLEND]: row for row in told}
        for row in self.read(now).held_back.features:
            np.testing.assert_array_equal(row, row_of[row[BLEND]])

    def test_the_last_fifth_of_slates_is_held_back_and_validation_lies_before_it(self, keen, now):
        material = self.read(now)
        counts = [len(part.sizes) for part in (material.training, material.validation, material.held_back)]
        total = material.slate_count
        assert counts[2] == len(material.actors) == int(0.2 * total)
        assert counts[1] == int(0.2 * (total - counts[2]))
        assert sum(counts) == total
        slate_of = {row[0]: number for number, drawn in enumerate(keen.drawn) for row in drawn[:, [BLEND]]}
        parts = (material.training, material.validation, material.held_back)
        numbers = [[slate_of[value] for value in part.features[:, BLEND]] for part in parts]
        assert max(numbers[0]) < min(numbers[1]) <= max(numbers[1]) < min(numbers[2])

    def test_position_bias_is_estimated_from_exploration_slots(self, alice, now):
        Crowd(alice, now, appeal=no_taste, explored=10, position_bias=1.0, slate_count=500)
        material = self.read(now)
        assert material.exploration_clicks >= dataset.LEAST_CLICKS
        assert material.exponent == pytest.approx(1.0, abs=0.35)
        assert material.held_back.examined.min() < 0.3

    def test_without_exploration_slots_no_position_bias_is_assumed(self, keen, now):
        material = self.read(now)
        assert (material.exponent, material.exploration_clicks) == (0.0, 0)
        assert (material.training.examined == 1).all()


class TestTooLittle:
    def test_a_ranker_training_without_slates_says_how_many_are_needed(self, db, now):
        with pytest.raises(TooFewSlates, match="0 feed slates of 0 actors.*at least 200 slates of 10 actors"):
            train_ranker(now=now)
        assert not TrainedModel.objects.exists()

    def test_slates_without_interactions_do_not_count_for_a_ranker_training(self, alice, now):
        Crowd(alice, now, appeal=lambda blend, *_: np.zeros(len(blend)), slate_count=210)
        with pytest.raises(TooFewSlates, match="0 feed slates"):
            train_ranker(now=now)

    def test_a_ranker_training_on_a_single_actor_is_refused(self, alice, now, monkeypatch):
        monkeypatch.setattr(dataset, "LEAST_SLATES", 1)
        Crowd(alice, now, appeal=taste_for_affinity, slate_count=9)  # of nine
        with pytest.raises(TooFewSlates, match=r"of \d actors"):
            train_ranker(now=now)

    def test_two_ranker_trainings_do_not_run_at_once(self, db, now):
        with elsewhere(locks.RANKER), pytest.raises(AlreadyTraining, match="ranker"):
            train_ranker(now=now)


class TestServing:
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


class TestCommand:
    def test_the_train_command_trains_lists_and_rolls_back_a_ranker(self, keen, capsys):
        call_command("train", "ranker")
        said = capsys.readouterr().out
        row = store.active()
        assert re.search(rf"Trained {row} on \d+ slates of 25 actors\. NDCG@20 .* It serves now\.", said)
        call_command("train", "ranker", "--list")
        assert f"{row.version}" in (said := capsys.readouterr().out)
        assert row.verdict in said
        call_command("train", "ranker", "--rollback")
        assert "the blend serves again" in capsys.readouterr().out

    def test_the_train_command_refuses_too_few_slates_in_one_line(self, db):
        with pytest.raises(CommandError, match="too few to learn from") as refusal:
            call_command("train", "ranker")
        assert refusal.value.returncode == 1
