import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ml.vision import classifier_training
from ml.vision.classifier_training import BadOptionsError, DivergedError, FineTuningOptions, schedule
from tests.ml.vision.finetuning_runs import (
    QUICK,
    STILL,
    Interrupted,
    break_off_after,
    same,
)


class TestTheBestEpoch:
    @pytest.fixture
    def accuracies(self, monkeypatch):
        """Replace validation by given accuracies."""

        def say(*accuracies):
            coming = iter(accuracies)
            monkeypatch.setattr(
                classifier_training.FineTuningRun, "_accuracy", lambda self, lesson: next(coming)
            )

        return say

    def test_the_weights_of_the_best_epoch_are_kept(self, run, accuracies):
        kept = {}
        for best in (1, 2):
            accuracies(*(0.9 if number == best else 0.3 for number in (1, 2)))
            report = run(f"best-{best}")
            assert report.best.number == best
            kept[best] = load_file(report.path)["classifier.3.weight"]
        assert not torch.equal(kept[1], kept[2])

    def test_of_equally_good_epochs_the_first_is_the_best(self, run, accuracies):
        accuracies(0.5, 0.5)
        assert run().best.number == 1

    def test_fine_tuning_ends_when_no_epoch_was_better_for_long(self, run, accuracies):
        accuracies(0.5, 0.4, 0.5, 0.9)
        report = run(options=replace(QUICK, epoch_count=9, patience=2))
        assert [epoch.accuracy for epoch in report.epochs] == [0.5, 0.4, 0.5]


class TestABrokenOffRun:
    def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(self, run):
        options = replace(QUICK, averaging=0.8)
        whole_run = run("unbroken", options)
        with pytest.raises(Interrupted):
            run("broken", options, report=break_off_after(1))
        resumed = run("broken", options)
        assert (whole_run.resumed_after, resumed.resumed_after) == (0, 1)
        assert resumed.epochs == whole_run.epochs
        assert same(load_file(resumed.path), load_file(whole_run.path))

    def test_a_run_interrupted_within_an_epoch_loses_only_that_epoch(self, run, tmp_path):
        steps = itertools.count()

        def progress(done, total):
            if next(steps) == 3:  # the second step of the second epoch
                raise Interrupted

        with pytest.raises(Interrupted):
            run(progress=progress)
        assert not (tmp_path / "tuned").exists()
        assert run().resumed_after == 1

    def test_a_run_interrupted_after_its_last_epoch_only_writes_its_file(self, run):
        with pytest.raises(Interrupted):
            run(report=break_off_after(2))
        report = run(report=pytest.fail)
        assert report.resumed_after == 2 and report.path.exists()

    @pytest.mark.parametrize("change", [{"learning_rate": 1e-3}, {"augmentation": STILL}])
    def test_a_run_with_other_options_does_not_resume_and_says_so(self, run, change):
        with pytest.raises(Interrupted):
            run(report=break_off_after(1))
        lines = []
        assert run(options=replace(QUICK, **change), say=lines.append).resumed_after == 0
        assert "starts from the beginning" in lines[0] and "another run" in lines[0]

    def test_a_run_with_another_split_of_the_photos_does_not_resume(self, run, photos):
        with pytest.raises(Interrupted):
            run(report=break_off_after(1))
        assert run(validation=np.arange(24) % 4 == 1).resumed_after == 0


class TestALossThatIsNoNumber:
    def test_a_loss_that_is_not_finite_fails_and_keeps_the_checkpoint_of_the_epoch_before(
        self, run, tmp_path, monkeypatch
    ):
        def spoil(epoch):
            monkeypatch.setattr(
                classifier_training, "augment", lambda *_: torch.full((9, 3, 32, 32), torch.nan)
            )

        with pytest.raises(DivergedError, match="epoch 2"):
            run(report=spoil)
        monkeypatch.undo()
        assert not (tmp_path / "tuned").exists()
        assert run().resumed_after == 1


class TestOptions:
    @pytest.mark.parametrize(
        "option",
        [
            {"optimiser": "adam"},
            {"learning_rate": 0.0},
            {"epoch_count": 0},
            {"warm_up": 1.0},
            {"image_size": 8},
        ],
    )
    def test_a_fine_tuning_option_out_of_range_is_named(self, option):
        with pytest.raises(BadOptionsError, match=next(iter(option))):
            FineTuningOptions(**option)


class TestSchedule:
    def test_the_fine_tuning_rate_rises_linearly_and_falls_to_zero(self):
        rates = [schedule(share, 0.2) for share in (0, 0.1, 0.2, 0.6, 1)]
        assert rates == pytest.approx([0, 0.5, 1, 0.5, 0])

    def test_without_warm_up_the_fine_tuning_rate_begins_at_the_top(self):
        assert schedule(0, 0.0) == 1
