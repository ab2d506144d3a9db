import itertools
import random
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ml.vision import classifier_training, finetuning
from ml.vision.augmentation import Augmentation, augment, normalise_photos
from ml.vision.backbone import as_inputs, build_classifier, load_backbone
from ml.vision.classifier_training import BadOptionsError, DivergedError, FineTuningOptions, schedule
from ml.vision.finetuning import finetune
from ml.vision.image_cache import ImageCache
from ml.vision.image_decoding import UnreadablePhoto, open_photo, square_pixels
from ml.vision.labels import make_photo_labels
from ml.vision.small_backbone import TooFewCategoriesError
from ml.vision.weights import WeightsError, read_weights

NAME = "mobilenet_v3_small"
QUICK = FineTuningOptions(
    image_size=32,
    batch_size=9,
    epoch_count=2,
    learning_rate=3e-4,
    head_factor=1.0,
    warm_up=0.1,
    patience=5,
    seed=4,
)
STILL = Augmentation(crops=False, flips=False, colours=False)


@pytest.fixture(scope="module")
def many_photos():
    """96 pictures: discs on red, bars on green, frames on blue; their names; every fourth held out."""
    chance = random.Random(8)
    labels = [("bar", "disc", "frame")[i % 3] for i in range(96)]
    return [_draw(label, chance) for label in labels], labels, np.arange(96) % 4 == 0


@pytest.fixture(scope="module")
def photos(many_photos):
    """The first 24 of them."""
    return tuple(part[:24] for part in many_photos)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory, many_photos):
    """Random weights with batch norm statistics of real photos."""
    torch.manual_seed(5)
    model, path = build_classifier(NAME, 1000), tmp_path_factory.mktemp("untrained") / "weights.safetensors"
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean of all batches
    with torch.no_grad():
        model(as_inputs(list(many_photos[0]), 32))
    save_file(model.state_dict(), path, metadata={"backbone": NAME})
    return path


def _draw(label, chance):
    pale, deep = chance.randint(150, 250), chance.randint(0, 110)
    ground = {"disc": (pale, deep, deep), "bar": (deep, pale, deep), "frame": (deep, deep, pale)}[label]
    picture = Image.new("RGB", (60, 50), ground)
    pen, x, y = ImageDraw.Draw(picture), chance.randint(2, 18), chance.randint(2, 14)
    if label == "disc":
        pen.ellipse([x, y, x + 30, y + 30], fill="white")
    elif label == "bar":
        pen.rectangle([x, y + 10, x + 36, y + 20], fill="white")
    else:
        pen.rectangle([x, y, x + 30, y + 30], outline="white", width=5)
    return picture


def fine_tune(untrained, photos, folder, name="tuned", options=QUICK, **other):
    """Fine-tune, with files named after the run."""
    pictures, labels, held_out = photos
    files = {"path": folder / name, "checkpoint": folder / f"{name}.checkpoint"}
    return finetune(
        NAME, untrained, pictures, labels, options=options, **{"validation": held_out} | files | other
    )


@pytest.fixture
def run(untrained, photos, tmp_path):
    """run(name, options, ...) fine-tunes on few photos."""
    return partial(fine_tune, untrained, photos, tmp_path)


@pytest.fixture(scope="module")
def plain(untrained, photos, tmp_path_factory):
    """An uninterrupted run, with its reported epochs and progress."""
    told, shares, folder = [], [], tmp_path_factory.mktemp("plain")
    report = fine_tune(
        untrained,
        photos,
        folder,
        report=told.append,
        progress=lambda done, total: shares.append(done / total),
    )
    return report, told, shares


class Interrupted(KeyboardInterrupt):
    """Raised in place of Ctrl-C."""


def break_off_after(epoch_number):
    def report(epoch):
        if epoch.number == epoch_number:
            raise Interrupted

    return report


def same(one, other) -> bool:
    return all(torch.equal(one[key], other[key]) for key in one | other)


class TestLearning:
    def test_a_fine_tuned_backbone_tells_held_out_photos_apart_far_better_than_by_chance(
        self, untrained, many_photos, tmp_path
    ):
        options = replace(QUICK, epoch_count=3, augmentation=replace(STILL, flips=True))
        report = fine_tune(untrained, many_photos, tmp_path, options=options)
        assert report.best.accuracy > 0.75
        assert (report.photo_count, report.validation_count) == (72, 24)
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
        report, told, shares = plain
        assert tuple(told) == report.epochs
        assert [epoch.number for epoch in told] == [1, 2]
        assert shares == sorted(shares) and shares[-1] == 1

    def test_fine_tuning_leaves_nothing_beside_its_file(self, plain):
        assert [file.name for file in plain[0].path.parent.iterdir()] == ["tuned"]

    @pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
    def test_both_optimisers_lower_the_loss(self, run, optimiser):
        options = replace(QUICK, optimiser=optimiser, augmentation=STILL)
        losses = [epoch.loss for epoch in run(options=options).epochs]
        assert losses[-1] < losses[0]


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
        said = []
        assert run(options=replace(QUICK, **change), say=said.append).resumed_after == 0
        assert "starts from the beginning" in said[0] and "another run" in said[0]

    def test_a_run_with_another_split_of_the_photos_does_not_resume(self, run, photos):
        with pytest.raises(Interrupted):
            run(report=break_off_after(1))
        assert run(validation=np.arange(24) % 4 == 1).resumed_after == 0

    def test_a_run_with_a_damaged_checkpoint_starts_anew_and_says_so(self, run, tmp_path):
        (tmp_path / "tuned.checkpoint").write_bytes(b"not a checkpoint")
        said = []
        assert run(options=replace(QUICK, epoch_count=1), say=said.append).resumed_after == 0
        assert "cannot be read" in said[0]

    def test_a_checkpoint_that_would_run_code_is_not_loaded(self, run, tmp_path):
        torch.save({"run": tmp_path, "history": print}, tmp_path / "tuned.checkpoint")
        said = []
        run(options=replace(QUICK, epoch_count=1), say=said.append)
        assert "cannot be read" in said[0]


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

    def test_a_finer_label_in_two_categories_is_a_class_in_each(self):
        targets = make_photo_labels(["chair", "table", "table"], ["other", "other", "round"])
        assert targets.class_count == 3
        assert targets.category_of[targets.classes].tolist() == [0, 1, 1]

    def test_a_category_is_as_probable_as_its_finer_classes_together(self):
        targets = make_photo_labels(["chair", "table", "table"], ["stool", "round", "square"])
        shares = targets.category_logs(torch.tensor([[0.5, 0.2, 0.3]]).log()).exp()
        torch.testing.assert_close(shares, torch.tensor([[0.5, 0.5]]))

    def test_without_finer_labels_the_loss_is_that_of_the_categories(self):
        targets, logits = make_photo_labels(["chair", "table"]), torch.tensor([[2.0, 1.0], [0.0, 3.0]])
        expected = torch.nn.functional.cross_entropy(logits, targets.classes, label_smoothing=0.1)
        torch.testing.assert_close(targets.loss(logits, targets.classes, 0.1), expected)


class TestSchedule:
    def test_the_fine_tuning_rate_rises_linearly_and_falls_to_zero(self):
        rates = [schedule(share, 0.2) for share in (0, 0.1, 0.2, 0.6, 1)]
        assert rates == pytest.approx([0, 0.5, 1, 0.5, 0])

    def test_without_warm_up_the_fine_tuning_rate_begins_at_the_top(self):
        assert schedule(0, 0.0) == 1


class TestViews:
    @pytest.fixture
    def pixels(self, photos):
        squares = [square_pixels(open_photo(photo, 40), 40) for photo in photos[0][:8]]
        return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2)

    def test_without_any_augmentation_the_views_are_the_photos(self, pixels):
        views = augment(pixels, 40, STILL, torch.Generator())
        torch.testing.assert_close(views, normalise_photos(pixels), atol=1e-4, rtol=0)

    def test_flips_mirror_some_photos_and_change_nothing_else(self, pixels):
        views = augment(pixels, 40, replace(STILL, flips=True), torch.Generator().manual_seed(1))
        photos, mirrored = normalise_photos(pixels), normalise_photos(pixels).flip(-1)
        is_mirrored = [
            bool((view - other).abs().max() < 1e-4) for view, other in zip(views, mirrored, strict=True)
        ]
        is_same = [bool((view - photo).abs().max() < 1e-4) for view, photo in zip(views, photos, strict=True)]
        assert any(is_mirrored) and any(is_same)
        assert all(one or other for one, other in zip(is_mirrored, is_same, strict=True))

    def test_crops_and_colours_differ_from_view_to_view_and_repeat_with_the_seed(self, pixels):
        one, other, again = (
            augment(pixels, 32, Augmentation(), torch.Generator().manual_seed(seed)) for seed in (1, 2, 1)
        )
        assert one.shape == (8, 3, 32, 32) and one.dtype == torch.float32
        assert torch.equal(one, again) and not torch.allclose(one, other)


class TestPictures:
    def test_pictures_that_the_cache_does_not_hold_are_decoded_again_to_the_same_pixels(self, photos):
        kept, fleeting = (ImageCache(photos[0], range(9), 32, most_kept_bytes=most) for most in (10**6, 0))
        order = torch.tensor([8, 0, 3, 3, 7])
        pairs = zip(kept.batches(order, 2), fleeting.batches(order, 2), strict=True)
        assert all(torch.equal(one, other) for (_, one), (_, other) in pairs)
        kept.close(), fleeting.close()
