"""Training a ranker in synthetic worlds: what it learns, when it is refused, which ranker serves."""

import re
from datetime import datetime, timedelta

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from recommendations.core import locks
from recommendations.core.locks import AlreadyTraining
from recommendations.models.feature_names import FEATURES
from recommendations.models.trained_models import TrainedModel
from recommendations.ranker import dataset, store
from recommendations.ranker.dataset import TooFewSlates
from recommendations.training.ranker import RankerRefused, train_ranker
from tests.recommendations.conftest import elsewhere
from tests.recommendations.logged_feeds import (
    Crowd,
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


def later(now: datetime) -> datetime:
    return now + timedelta(hours=1)


@pytest.fixture
def keen(alice, now) -> Crowd:
    return Crowd(alice, now, appeal=taste_for_affinity)


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


class TestCommand:
    def test_the_train_command_trains_lists_and_rolls_back_a_ranker(self, keen, capsys):
        call_command("train", "ranker")
        printed = capsys.readouterr().out
        row = store.active()
        assert re.search(rf"Trained {row} on \d+ slates of 25 actors\. NDCG@20 .* It serves now\.", printed)
        call_command("train", "ranker", "--list")
        assert f"{row.version}" in (printed := capsys.readouterr().out)
        assert row.verdict in printed
        call_command("train", "ranker", "--rollback")
        assert "the blend serves again" in capsys.readouterr().out

    def test_the_train_command_refuses_too_few_slates_in_one_line(self, db):
        with pytest.raises(CommandError, match="too few to learn from") as refusal:
            call_command("train", "ranker")
        assert refusal.value.returncode == 1
