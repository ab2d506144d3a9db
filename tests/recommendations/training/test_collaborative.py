import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from listings import services
from listings.models import Listing
from recommendations.collaborative import store
from recommendations.collaborative.config import TrainingConfig
from recommendations.collaborative.history import read_history
from recommendations.core import locks
from recommendations.interactions import watermark
from recommendations.models.trained_models import TrainedModel
from recommendations.training import collaborative, tuning
from tests.recommendations.conftest import elsewhere


def statuses() -> list[str]:
    return list(store.trainings().order_by("pk").values_list("status", flat=True))


def run_command(*words: str, settings) -> subprocess.CompletedProcess:
    """Run a command of manage.py in a separate process, on this test's database."""
    database = settings.DATABASES["default"]
    address = f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}"
    environment = os.environ | {"DATABASE_URL": address, "REDIS_URL": settings.REDIS_URL}
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, timeout=100
    )


class TestTrain:
    def test_a_training_publishes_by_switching_one_row(self, shoppers, capsys):
        call_command("train", "collaborative")
        call_command("train", "collaborative")
        assert statuses() == ["retired", "active"]
        printed = capsys.readouterr().out.splitlines()
        assert re.search(r"events of 30 actors .* It serves now\.$", printed[-1])

    def test_the_files_of_a_collaborative_model_hold_no_pickle(self, shoppers, settings, now):
        model = collaborative.train_collaborative(now=now)
        folder = settings.MODEL_ROOT / model.path
        assert {file.suffix for file in folder.iterdir()} == {".faiss", ".json", ".npz"}
        for file in folder.glob("*.npz"):
            with np.load(file, allow_pickle=False) as archive:
                assert all(archive[name].dtype != object for name in archive)

    def test_trained_neighbours_are_int32_and_float16_and_never_sold_listings(self, shoppers, now):
        sofa = Listing.objects.first()
        services.mark_sold(listing=sofa, buyer=None, now=now)
        model = store.load(collaborative.train_collaborative(now=now))
        assert (model.neighbours.items.dtype, model.neighbours.weights.dtype) == (np.int32, np.float16)
        item = model.items_of(np.array([sofa.pk]))[0]
        assert item not in model.neighbours.items[model.neighbours.weights > 0]
        assert model.neighbours.weights[item].any(), "it still votes"

    def test_a_training_records_the_horizon_of_finished_transactions(self, shoppers, settings, now):
        row = collaborative.train_collaborative(now=now)
        assert store.manifest_of(row)["horizon"] == row.horizon == watermark.horizon()


class TestBadInput:
    def test_a_training_without_events_fails_and_writes_nothing(self, db, settings):
        with pytest.raises(CommandError, match="no events yet") as refusal:
            call_command("train", "collaborative")
        assert refusal.value.returncode == 1
        assert not TrainedModel.objects.exists()
        assert not settings.MODEL_ROOT.exists()

    def test_a_training_on_too_few_events_fails_and_the_model_before_stays(self, shoppers, monkeypatch):
        first = collaborative.train_collaborative(now=timezone.now())
        monkeypatch.setattr(collaborative, "LEAST_EVENTS", 10**6)
        with pytest.raises(CommandError, match="at least 1000000 events"):
            call_command("train", "collaborative")
        assert list(store.trainings()) == [first]
        assert store.active() == first

    def test_a_training_ignores_actors_without_events_and_deleted_listings(self, shoppers, charlie):
        Listing.objects.first().delete()
        assert collaborative.train_collaborative(now=timezone.now()).status == "active"
        assert charlie.pk not in read_history(until=timezone.now()).actors

    def test_a_training_with_wait_starts_after_the_one_that_runs(self, shoppers):
        with ThreadPoolExecutor(1) as pool:
            other = elsewhere(locks.TRAINING)
            other.__enter__()
            pool.submit(lambda: time.sleep(0.5) or other.__exit__(None, None, None))
            call_command("train", "collaborative", "--wait")
        assert statuses() == ["active"]

    def test_two_collaborative_trainings_do_not_run_at_once(self, shoppers):
        with elsewhere(locks.TRAINING), pytest.raises(CommandError, match="Another process"):
            call_command("train", "collaborative")
        assert connection.is_usable()
        assert not store.trainings().exists()

    @pytest.mark.parametrize(
        "options",
        [
            ["--force", "--rollback"],
            ["--rollback", "--list"],
            ["--tune", "--list"],
            ["--budget", "5"],
            ["--tune", "--budget", "0"],
            ["--tune", "--budget", "soon"],
        ],
        ids=" ".join,
    )
    def test_options_of_collaborative_training_that_contradict_each_other_are_refused(self, db, options):
        with pytest.raises(CommandError):
            call_command("train", "collaborative", *options)

    def test_a_failed_training_ends_its_process_with_status_1_and_one_line(self, transactional_db, settings):
        ended = run_command("train", "collaborative", settings=settings)
        assert ended.returncode == 1
        assert (
            ended.stderr == "CommandError: There are no events yet: send some, or run `manage.py simulate`.\n"
        )


class TestRecipe:
    def test_the_training_config_comes_from_the_environment_then_the_active_model_then_the_default(
        self, shoppers, settings
    ):
        first = collaborative.train_collaborative(now=timezone.now(), recipe=TrainingConfig(factors=20))
        assert store.load(first).recipe.factors == 20
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"covisitation_source_exponent": 0.8})
        model = store.load(collaborative.train_collaborative(now=timezone.now()))
        assert model.recipe.factors == 20
        assert model.recipe.normalisation.source_exponent == 0.8
        assert model.recipe.normalisation.target_exponent == TrainingConfig().normalisation.target_exponent

    def test_tuning_prints_each_trial_and_the_next_training_uses_its_best(
        self, shoppers, capsys, monkeypatch
    ):
        best = TrainingConfig(factors=24)
        monkeypatch.setattr(
            collaborative.tuning,
            "tune",
            lambda *_, report, budget_s, **__: report(tuning.TuningTrial(1, best, 0.25)) or best,
        )
        call_command("train", "collaborative", "--tune", "--budget", "0.5")
        assert "Trial 1: NDCG@20 0.2500 with 24 factors" in capsys.readouterr().out
        assert store.load(store.active()).recipe.factors == 24
        call_command("train", "collaborative")
        assert store.load(store.active()).recipe.factors == 24


class TestList:
    def test_the_train_command_lists_every_training_and_what_became_of_it(self, shoppers, capsys):
        for _ in range(2):
            collaborative.train_collaborative(now=timezone.now())
        store.reject("refused-1", horizon=1, metrics={"ndcg": 0.1}, verdict="Worse than the active model")
        call_command("train", "collaborative", "--list")
        printed = capsys.readouterr().out
        assert all(word in printed for word in ("retired", "active", "rejected", "Worse than"))

    def test_before_the_first_collaborative_training_the_list_says_so(self, db, capsys):
        call_command("train", "collaborative", "--list")
        assert "Nothing was trained yet" in capsys.readouterr().out


class TestRollback:
    def test_the_train_command_rolls_back_to_the_collaborative_model_before(self, shoppers, capsys):
        first, _ = (collaborative.train_collaborative(now=timezone.now()) for _ in range(2))
        call_command("train", "collaborative", "--rollback")
        assert store.active() == first
        assert f"collaborative {first.version} serves again" in capsys.readouterr().out

    def test_a_rollback_command_with_no_earlier_model_fails_and_changes_nothing(self, shoppers):
        only = collaborative.train_collaborative(now=timezone.now())
        with pytest.raises(CommandError, match="no earlier collaborative model"):
            call_command("train", "collaborative", "--rollback")
        assert store.active() == only
