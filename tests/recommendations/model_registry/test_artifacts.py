from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from recommendations.collaborative import store
from recommendations.model_registry import artifacts, publication
from recommendations.models.trained_models import TrainedModel
from tests.recommendations.model_registry.published_models import folder_of, served, train, watching


class TestPublishing:
    BREAKING = [
        (artifacts, "write_settings"),
        (artifacts, "fsync"),
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
