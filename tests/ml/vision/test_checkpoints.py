from dataclasses import replace

import pytest
import torch

from ml.vision.checkpoints import BadCheckpoint, read_checkpoint, write_checkpoint
from tests.ml.vision.finetuning_runs import QUICK


class TestDamagedCheckpoint:
    def test_a_run_with_a_damaged_checkpoint_starts_anew_and_says_so(self, run, tmp_path):
        (tmp_path / "tuned.checkpoint").write_bytes(b"not a checkpoint")
        lines = []
        assert run(options=replace(QUICK, epoch_count=1), say=lines.append).resumed_after == 0
        assert "cannot be read" in lines[0]

    def test_a_checkpoint_that_would_run_code_is_not_loaded(self, run, tmp_path):
        torch.save({"run": tmp_path, "history": print}, tmp_path / "tuned.checkpoint")
        lines = []
        run(options=replace(QUICK, epoch_count=1), say=lines.append)
        assert "cannot be read" in lines[0]


class TestCheckpoint:
    def test_the_state_of_a_run_is_read_as_it_was_written(self, tmp_path):
        write_checkpoint(
            tmp_path / "new" / "run.checkpoint", "run 1", {"weights": torch.arange(3), "epoch": 2}
        )
        state = read_checkpoint(tmp_path / "new" / "run.checkpoint", "run 1")
        assert state["epoch"] == 2 and torch.equal(state["weights"], torch.arange(3))
        assert [file.name for file in (tmp_path / "new").iterdir()] == ["run.checkpoint"]

    def test_without_a_file_there_is_no_checkpoint(self, tmp_path):
        assert read_checkpoint(tmp_path / "run.checkpoint", "run 1") is None

    def test_the_checkpoint_of_another_run_is_refused(self, tmp_path):
        write_checkpoint(tmp_path / "run.checkpoint", "run 1", {})
        with pytest.raises(BadCheckpoint, match="is of another run"):
            read_checkpoint(tmp_path / "run.checkpoint", "run 2")

    def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(self, tmp_path):
        write_checkpoint(tmp_path / "run.checkpoint", "run 1", {"epoch": 1})
        with pytest.raises(AttributeError):
            write_checkpoint(tmp_path / "run.checkpoint", "run 1", {"epoch": lambda: None})
        assert read_checkpoint(tmp_path / "run.checkpoint", "run 1") == {"epoch": 1}
