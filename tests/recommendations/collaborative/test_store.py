"""Publishing, rollback, and serving processes with damaged files."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from listings import models as listings_models
from ml import model_files
from recommendations.collaborative import store
from recommendations.core import files
from recommendations.model_registry import artifacts, publication, watcher
from recommendations.model_registry.artifacts import ModelDamaged
from recommendations.model_registry.publication import NoEarlierModel
from recommendations.models.trained_models import TrainedModel
from recommendations.replica import follower
from recommendations.training import collaborative
from tests import factories


def train() -> TrainedModel:
    return collaborative.train_collaborative(now=timezone.now())


def folder_of(model: TrainedModel) -> Path:
    return artifacts.settings.MODEL_ROOT / model.path


def damage(model: TrainedModel, name: str = "als.npz") -> None:
    (folder_of(model) / name).write_bytes(b"not a model")


def watching() -> watcher.ModelWatcher:
    return watcher.ModelWatcher(store)


def served(watch: watcher.ModelWatcher) -> str | None:
    model = watch.look()
    return model and model.version


class TestPublishing:
    BREAKING = [
        (artifacts, "write_settings"),
        (artifacts, "sync"),
        (Path, "rename"),
        (store, "activate"),
    ]

    @pytest.mark.parametrize(("owner", "step"), BREAKING, ids=[step for _, step in BREAKING])
    def test_a_training_broken_off_at_any_step_leaves_the_model_before_and_the_next_cleans_up(
        self, shoppers, monkeypatch, owner, step
    ):
        first = train()
        with monkeypatch.context() as crash, pytest.raises(KeyboardInterrupt):
            crash.setattr(owner, step, lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
            train()
        assert store.active() == first
        assert served(watching()) == first.version
        monkeypatch.setattr(artifacts, "GRACE_S", 0)
        second = train()
        root = folder_of(second).parent
        assert {folder.name for folder in root.iterdir()} == {first.version, second.version}

    def test_a_killed_training_leaves_nothing_that_is_loaded(self, shoppers, monkeypatch):
        """The process is killed: not even its `finally` runs."""
        monkeypatch.setattr(artifacts.shutil, "rmtree", lambda *_, **__: None)
        with monkeypatch.context() as crash, pytest.raises(KeyboardInterrupt):
            crash.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            train()
        assert not TrainedModel.objects.filter(kind="collaborative").exists()
        assert watching().look() is None
        monkeypatch.undo()
        assert folder_of(train()).is_dir()

    def test_model_files_are_synced_to_disk_before_the_row_names_them(self, shoppers, monkeypatch):
        done = []
        monkeypatch.setattr(artifacts, "fsync", lambda path: done.append(path.name))
        monkeypatch.setattr(
            store, "activate", lambda row, real=publication.activate: done.append("row") or real(row)
        )
        model = train()
        names = {file.name for file in folder_of(model).iterdir()}
        assert names < set(done[: done.index("row")])
        assert done[-2:] == ["collaborative", "row"]

    def test_a_training_on_a_full_disk_fails_in_one_line(self, shoppers, monkeypatch):
        def full(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(artifacts, "write_settings", full)
        with pytest.raises(CommandError, match="No space left on device.*The previous model keeps serving"):
            call_command("train", "collaborative")
        assert not TrainedModel.objects.filter(kind="collaborative").exists()


class TestRollback:
    def test_after_a_rollback_the_collaborative_model_before_is_active(self, shoppers):
        first, second = train(), train()
        assert store.rollback(now=timezone.now()) == first
        assert store.active() == first
        second.refresh_from_db()
        assert second.status == "retired"

    def test_a_second_rollback_goes_further_back_and_never_to_a_model_that_was_left(self, shoppers):
        first, _, third = train(), train(), train()
        store.rollback(now=timezone.now())
        assert store.rollback(now=timezone.now()) == first
        with pytest.raises(NoEarlierModel):
            store.rollback(now=timezone.now())
        assert store.active() == first
        train()
        assert store.rollback(now=timezone.now()) == first
        third.refresh_from_db()
        assert third.metrics["rolled_back_at"]

    def test_a_rollback_skips_a_model_whose_files_are_damaged(self, shoppers):
        first, second, _ = train(), train(), train()
        damage(second, "counts.npz")
        assert store.rollback(now=timezone.now()) == first

    def test_a_rollback_with_no_intact_earlier_model_changes_nothing(self, shoppers):
        first, second = train(), train()
        damage(first)
        with pytest.raises(NoEarlierModel):
            store.rollback(now=timezone.now())
        assert store.active() == second

    def test_rejected_trainings_do_not_sweep_away_the_files_of_the_model_before(self, shoppers, monkeypatch):
        monkeypatch.setattr(artifacts, "GRACE_S", 0)
        first, second = train(), train()
        for number in range(5):
            store.reject(f"refused-{number}", horizon=1, metrics={}, verdict="")
        store.sweep()
        assert folder_of(first).is_dir()
        assert folder_of(second).is_dir()

    def test_files_of_old_models_are_swept_away_and_their_rows_stay(self, shoppers, monkeypatch):
        monkeypatch.setattr(artifacts, "GRACE_S", 0)
        models = [train() for _ in range(5)]
        assert [folder_of(model).exists() for model in models] == [False, False, True, True, True]
        assert store.trainings().count() == 5


class TestDamagedFiles:
    FILES = ["als.npz", "als.json", "neighbours.npz", "items.faiss", "model.json"]

    @pytest.mark.parametrize("name", FILES)
    @pytest.mark.parametrize("how", ["corrupted", "cut short", "missing"])
    def test_with_a_damaged_file_the_model_before_serves_on_and_the_row_says_why(self, shoppers, name, how):
        first, watch = train(), watching()
        watch.look()
        second = train()
        file = folder_of(second) / name
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content if how == "corrupted" else content[:-1])
        if how == "missing":
            file.unlink()
        assert served(watch) == first.version
        second.refresh_from_db()
        assert name in second.problem
        assert second.problem_at
        assert not watch.is_missing

    def test_damaged_counts_do_not_keep_a_collaborative_model_from_serving(self, shoppers):
        model = train()
        damage(model, "counts.npz")
        assert served(watching()) == model.version

    def test_a_damaged_model_is_logged_once_however_many_watchers_find_it(
        self, shoppers, caplog, monkeypatch
    ):
        monkeypatch.setattr(watcher, "TRY_AGAIN_AFTER_S", -1)
        train()
        damage(train())
        for watch in (watching(), watching()):
            for _ in range(3):
                watch.look()
        assert [record.levelname for record in caplog.records if "cannot be loaded" in record.message] == [
            "ERROR"
        ]

    def test_a_watcher_does_not_read_damaged_files_again_each_second(self, shoppers, monkeypatch):
        damage(train())
        watch, loads = watching(), []
        monkeypatch.setattr(store, "load", lambda row, real=store.load: loads.append(row) or real(row))
        for _ in range(5):
            watch.look()
        assert len(loads) == 1

    def test_a_watcher_takes_up_mended_files_and_clears_the_problem(self, shoppers, monkeypatch):
        monkeypatch.setattr(watcher, "TRY_AGAIN_AFTER_S", -1)
        train()
        second, watch = train(), watching()
        file = folder_of(second) / "als.npz"
        content = file.read_bytes()
        damage(second)
        watch.look()
        file.write_bytes(content)
        assert served(watch) == second.version
        second.refresh_from_db()
        assert (second.problem, second.problem_at) == ("", None)

    def test_a_starting_process_serves_the_newest_intact_model(self, shoppers):
        first, second, third = train(), train(), train()
        damage(third)
        assert served(watching()) == second.version
        damage(second)
        assert served(watching()) == first.version

    def test_without_an_intact_model_feeds_are_served_degraded(self, shoppers, follow, as_bob):
        damage(train())
        follow()
        page = as_bob.get("/api/v1/feed/").json()
        assert page["items"]
        assert page["degraded"] == ["collaborative"]

    def test_a_process_keeps_its_model_when_the_files_vanish_under_it(self, shoppers, follow, as_bob):
        model = train()
        follow()
        for file in folder_of(model).iterdir():
            file.write_bytes(b"")  # a mapped file that is cut short would end the process
        factories.event(
            listings_models.Actor.objects.get(external_id="bob"), listings_models.Listing.objects.first()
        )
        follow()
        page = as_bob.get("/api/v1/feed/").json()
        assert any(item["scores"]["collaborative"] is not None for item in page["items"])
        assert follower.snapshot().collaborative.version == model.version

    def test_the_admin_shows_that_a_model_cannot_be_loaded(self, shoppers, admin_client):
        damage(train())
        watching().look()
        page = admin_client.get("/admin/recommendations/trainedmodel/").content.decode()
        assert "Cannot be loaded" in page
        assert "als.npz is not what was published" in page
        row = admin_client.get(f"/admin/recommendations/trainedmodel/{store.active().pk}/change/")
        assert "Cannot be loaded" in row.content.decode()


class TestLoading:
    def test_a_published_collaborative_model_is_loaded_unchanged(self, shoppers):
        row = train()
        model = store.load(row)
        assert model.version == row.version
        assert model.trained_until.isoformat(timespec="seconds") == row.metrics["trained_until"]
        assert store.load_counted(row).counts.item_count == len(model.listing_ids)

    def test_a_collaborative_model_that_contradicts_itself_is_damaged(self, shoppers):
        row = train()
        (folder_of(row) / "als.json").write_text("{}")
        said = store.manifest_of(row)
        path = folder_of(row)
        model_files.write_settings(
            path / "model.json",
            said | {"files": {name: files.sha256_of(path / name) for name in said["files"]}},
            form=artifacts.FORM,
        )
        row.sha256 = files.sha256_of(path / "model.json")
        with pytest.raises(ModelDamaged, match="cannot be read"):
            store.load(row)

    def test_publishing_never_leaves_two_active_collaborative_models(self, shoppers):
        train()
        with transaction.atomic():
            train()
        assert store.trainings().filter(status="active").count() == 1
