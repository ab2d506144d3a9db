from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ml.vision import finetuning
from ml.vision.backbone import load_backbone
from ml.vision.image_decoding import UnreadablePhoto
from ml.vision.small_backbone import TooFewCategoriesError
from ml.vision.weights import WeightsError, read_weights
from tests.ml.vision.finetuning_runs import NAME, QUICK, STILL, fine_tune


@pytest.fixture(scope="module")
def plain(untrained, photos, tmp_path_factory):
    """An uninterrupted run, with its reported epochs and progress."""
    epochs, shares, folder = [], [], tmp_path_factory.mktemp("plain")
    report = fine_tune(
        untrained,
        photos,
        folder,
        report=epochs.append,
        progress=lambda done, total: shares.append(done / total),
    )
    return report, epochs, shares


class TestLearning:
    def test_a_fine_tuned_backbone_tells_held_out_photos_apart_far_better_than_by_chance(
        self, untrained, many_photos, tmp_path
    ):
        options = replace(QUICK, epoch_count=3, augmentation=replace(STILL, flips=True))
        report = fine_tune(untrained, many_photos, tmp_path, options=options)
        assert report.best.accuracy > 0.75
        assert report.photo_count == 72
        assert report.categories == ("bar", "disc", "frame")

    def test_the_fine_tuned_file_is_a_backbone_of_the_size_it_was_trained_on(self, plain, photos):
        path = plain[0].path
        weights, backbone = read_weights(path), load_backbone(None, path)
        assert (weights.name, weights.input_size) == (NAME, 32)
        assert weights.state["classifier.3.weight"].shape == (3, 1024)
        assert backbone.features(photos[0][:2]).shape == (2, 1024 + 24 + 48)
        with safe_open(path, framework="pt") as file:
            assert file.metadata()["categories"] == '["bar", "disc", "frame"]'

    def test_fine_tuning_reports_every_epoch_and_progress_to_the_end(self, plain):
        report, epochs, shares = plain
        assert tuple(epochs) == report.epochs
        assert [epoch.number for epoch in epochs] == [1, 2]
        assert shares == sorted(shares) and shares[-1] == 1

    def test_fine_tuning_leaves_nothing_beside_its_file(self, plain):
        assert [file.name for file in plain[0].path.parent.iterdir()] == ["tuned"]

    @pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
    def test_both_optimisers_lower_the_loss(self, run, optimiser):
        options = replace(QUICK, optimiser=optimiser, augmentation=STILL)
        losses = [epoch.loss for epoch in run(options=options).epochs]
        assert losses[-1] < losses[0]


class TestWhatStays:
    def test_fine_tuning_does_not_move_batch_norm_statistics(self, plain, untrained):
        before, after = load_file(untrained), load_file(plain[0].path)
        names = [name for name in before if "running_" in name]
        assert names and all(torch.equal(before[name], after[name]) for name in names)

    def test_frozen_blocks_do_not_move_and_the_last_ones_do(self, run, untrained):
        before, after = load_file(untrained), load_file(run(options=replace(QUICK, unfrozen_blocks=2)).path)
        moved = {name for name in after if "classifier.3" not in name}
        moved = {name for name in moved if not torch.equal(before[name], after[name])}
        assert {name.rpartition(".")[0] for name in moved} == {
            "features.12.0",
            "features.12.1",
            "classifier.0",
        }

    def test_with_every_block_frozen_only_the_last_layer_learns(self, run, untrained):
        before, after = load_file(untrained), load_file(run(options=replace(QUICK, unfrozen_blocks=0)).path)
        assert all(
            torch.equal(before[name], after[name]) for name in before if not name.startswith("classifier.3.")
        )

    def test_fine_tuning_leaves_the_global_generator_as_it_was(self, run):
        torch.manual_seed(3)
        expected = torch.rand(3)
        torch.manual_seed(3)
        run(options=replace(QUICK, epoch_count=1))
        assert torch.equal(torch.rand(3), expected)


class TestBadInput:
    def test_fine_tuning_names_the_photo_that_cannot_be_decoded_and_its_position(
        self, run, photos, untrained, tmp_path
    ):
        bad = tmp_path / "bad.jpg"
        bad.write_bytes(b"not a photo")
        pictures = [*photos[0][:22], bad, photos[0][23]]
        with pytest.raises(UnreadablePhoto) as caught:
            fine_tune(untrained, (pictures, *photos[1:]), tmp_path)
        assert caught.value.position == 22 and "bad.jpg" in str(caught.value)

    @pytest.mark.parametrize("held_out", [np.zeros(24, bool), np.ones(24, bool), np.arange(24) % 3 != 0])
    def test_fine_tuning_needs_categories_to_tell_apart_and_photos_to_judge_by(self, run, held_out):
        with pytest.raises(TooFewCategoriesError, match="24 photos"):
            run(validation=held_out)

    def test_fine_tuning_refuses_weights_of_another_classifier(self, photos, tmp_path):
        path = tmp_path / "other.safetensors"
        save_file({"features.0.0.weight": torch.zeros(2)}, path)
        for name in (NAME, "shufflenet_v2_x0_5"):
            with pytest.raises(WeightsError, match="does not fit"):
                finetuning.prepare(read_weights(path, name), 3, QUICK)


class TestFinerLabels:
    def test_finer_labels_are_taught_beside_categories_which_are_what_is_judged(
        self, untrained, many_photos, tmp_path
    ):
        finer = [f"{label} {i % 2}" for i, label in enumerate(many_photos[1])]
        options = replace(QUICK, epoch_count=3, augmentation=replace(STILL, flips=True))
        report = fine_tune(untrained, many_photos, tmp_path, options=options, finer=finer)
        assert report.categories == ("bar", "disc", "frame")
        assert report.best.accuracy > 0.75
        assert read_weights(report.path).state["classifier.3.weight"].shape == (6, 1024)
        with safe_open(report.path, framework="pt") as file:
            assert file.metadata()["category_of"] == "[0, 0, 1, 1, 2, 2]"
