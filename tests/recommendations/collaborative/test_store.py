"""Publishing, rollback, and serving processes with damaged files."""

import pytest

from ml import model_files
from recommendations.collaborative import store
from recommendations.core import files
from recommendations.model_registry import artifacts
from recommendations.model_registry.artifacts import ModelDamaged
from tests.recommendations.model_registry.published_models import folder_of, train


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
        manifest = store.manifest_of(row)
        path = folder_of(row)
        model_files.write_settings(
            path / "model.json",
            manifest | {"files": {name: files.sha256_of(path / name) for name in manifest["files"]}},
            form=artifacts.FORM,
        )
        row.sha256 = files.sha256_of(path / "model.json")
        with pytest.raises(ModelDamaged, match="cannot be read"):
            store.load(row)
