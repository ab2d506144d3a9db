import itertools

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ml.arrays import unit_rows
from ml.vision import small_backbone
from ml.vision.backbone import load_backbone
from ml.vision.small_backbone import TooFewCategoriesError, train_small_backbone


def still_clock() -> float:
    return 0.0


def no_time() -> dict:
    """Options with which the time is over before the first round."""
    return {"seconds": 0.5, "clock": itertools.count().__next__}


def neighbour_agreement(features, names) -> float:
    """Share of pictures whose nearest other picture shows the same shape."""
    units = unit_rows(features.astype(np.float32) - features.mean(axis=0, dtype=np.float32))
    cosines = units @ units.T
    np.fill_diagonal(cosines, -1)
    return float(np.mean([names[i] == names[j] for i, j in enumerate(cosines.argmax(axis=1))]))


def train(drawn, path, **options):
    return train_small_backbone(*drawn, path, **({"seconds": 60, "seed": 1, "clock": still_clock} | options))


class TestTraining:
    def test_the_small_backbone_learns_to_tell_shapes_apart(self, drawn, tmp_path):
        report = train(drawn, tmp_path / "trained", epoch_count=14)
        train(drawn, tmp_path / "untrained", **no_time())
        trained, untrained = (load_backbone(None, tmp_path / name) for name in ("trained", "untrained"))
        before, after = (neighbour_agreement(b.features(drawn[0]), drawn[1]) for b in (untrained, trained))
        assert report.accuracy > 0.75
        assert after > before + 0.05

    def test_the_small_backbones_file_records_its_name_and_input_size(self, drawn, tmp_path):
        report = train(drawn, tmp_path / "new" / "weights.safetensors", **no_time())
        backbone = load_backbone(None, report.path)
        assert (backbone.name, backbone.input_size) == (small_backbone.NAME, small_backbone.INPUT_SIZE)

    def test_the_same_seed_trains_the_same_small_backbone(self, drawn, tmp_path):
        few = (drawn[0][:20], drawn[1][:20])
        reports = [train(few, tmp_path / name, epoch_count=1) for name in "ab"]
        one, other = (load_file(tmp_path / name) for name in "ab")
        assert all(torch.equal(one[key], other[key]) for key in one)
        assert reports[0].accuracy == reports[1].accuracy

    def test_training_the_small_backbone_ends_when_the_time_is_over(self, drawn, tmp_path):
        few = (drawn[0][:20], drawn[1][:20])
        report = train(
            few, tmp_path / "weights", seconds=12, clock=itertools.count().__next__, epoch_count=500
        )
        assert report.epoch_count < 12 and report.path.exists()

    def test_training_the_small_backbone_reports_progress_to_the_end(self, drawn, tmp_path):
        shares = []
        few = (drawn[0][:20], drawn[1][:20])
        train(
            few, tmp_path / "weights", epoch_count=3, progress=lambda done, total: shares.append(done / total)
        )
        assert shares == sorted(shares) and shares[-1] == 1

    def test_training_the_small_backbone_leaves_nothing_beside_its_file(self, drawn, tmp_path):
        train((drawn[0][:6], drawn[1][:6]), tmp_path / "weights", epoch_count=1)
        assert [file.name for file in tmp_path.iterdir()] == ["weights"]

    @pytest.mark.parametrize("categories", [[], ["disc"] * 3, ["disc", "bar"]])
    def test_the_small_backbone_refuses_to_train_on_fewer_than_two_categories(
        self, drawn, tmp_path, categories
    ):
        with pytest.raises(TooFewCategoriesError, match="found 3 photos"):
            train((drawn[0][:3], categories), tmp_path / "weights")
