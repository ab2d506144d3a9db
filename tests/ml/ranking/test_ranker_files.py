"""Saving and loading of a ranker."""

import json
from pathlib import Path

import pytest

from ml.model_files import ModelFileError
from ml.ranking.lambdarank import (
    SETTINGS,
    TREES,
    FeatureMismatch,
    RankerModel,
)
from tests.ml.ranking.shoppers import NAMES


class TestFiles:
    @pytest.fixture
    def folder(self, model, tmp_path) -> Path:
        model.save(tmp_path / "ranker")
        return tmp_path / "ranker"

    def test_a_saved_ranker_is_loaded_unchanged(self, model, folder, unseen):
        loaded = RankerModel.load(folder, feature_names=NAMES)
        assert loaded == model
        assert (loaded.predict(unseen.slates.features) == model.predict(unseen.slates.features)).all()

    @pytest.mark.parametrize("names", [NAMES[:2], NAMES[::-1], (*NAMES, "price")])
    def test_loading_a_ranker_trained_on_other_features_is_refused(self, folder, names):
        with pytest.raises(FeatureMismatch):
            RankerModel.load(folder, feature_names=names)

    @pytest.mark.parametrize("name", [TREES, SETTINGS])
    @pytest.mark.parametrize(
        "damage", [lambda text: text[: len(text) // 2], lambda text: "", lambda text: "\0"]
    )
    def test_damaged_ranker_files_are_refused(self, folder, name, damage):
        (folder / name).write_text(damage((folder / name).read_text()))
        with pytest.raises(ModelFileError):
            RankerModel.load(folder, feature_names=NAMES)

    def test_ranker_trees_that_are_not_text_are_refused(self, folder):
        (folder / TREES).write_bytes(b"tree\n\xff\xfe")
        with pytest.raises(ModelFileError):
            RankerModel.load(folder, feature_names=NAMES)

    @pytest.mark.parametrize("name", [TREES, SETTINGS])
    def test_a_missing_ranker_file_is_refused(self, folder, name):
        (folder / name).unlink()
        with pytest.raises(ModelFileError):
            RankerModel.load(folder, feature_names=NAMES)

    def test_a_changed_threshold_in_the_ranker_trees_is_noticed(self, folder):
        text = (folder / TREES).read_text()
        (folder / TREES).write_text(text.replace("threshold=", "threshold=1", 1))
        with pytest.raises(ModelFileError):
            RankerModel.load(folder, feature_names=NAMES)

    @pytest.mark.parametrize(
        "change",
        [
            {"feature_names": ["a", "b", "c"]},
            {"feature_names": 3},
            {"boosting": 1},
            {"validation_ndcg": "good"},
        ],
    )
    def test_ranker_settings_that_contradict_the_trees_are_refused(self, folder, change):
        settings = json.loads((folder / SETTINGS).read_text())
        (folder / SETTINGS).write_text(json.dumps(settings | change))
        with pytest.raises(ModelFileError):
            RankerModel.load(folder, feature_names=change.get("feature_names", NAMES))
