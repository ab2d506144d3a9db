"""Index generations on disk: kept, damaged and empty ones."""

import json

import pytest
from django.conf import settings

from listings import services
from recommendations.encoders import selection
from recommendations.indexing import compaction
from recommendations.models.catalogue_changes import CatalogueChange
from recommendations.replica import generations
from tests.recommendations.indexed import compact, newest


class TestGenerations:
    def test_two_index_generations_are_kept_and_the_change_log_is_pruned_behind_the_older(
        self, embedded_sofas
    ):
        for sofa in embedded_sofas[:3]:
            compact()
            services.withdraw(listing=sofa)
        root = settings.INDEX_ROOT / selection.active_encoder().version
        kept = sorted(folder.name for folder in root.iterdir())
        assert kept == ["00000002", "00000003"]
        oldest = json.loads((root / kept[0] / "meta.json").read_text())["seq"]
        assert CatalogueChange.objects.order_by("seq").first().seq == oldest

    @pytest.mark.parametrize("name", generations.FILES)
    def test_a_damaged_index_generation_is_passed_over_for_the_one_before(self, embedded_sofas, name):
        compact()
        services.withdraw(listing=embedded_sofas[0])
        compact()
        file = settings.INDEX_ROOT / selection.active_encoder().version / "00000002" / name
        content = bytearray(file.read_bytes())
        content[len(content) // 2 : len(content) // 2 + 1] = b"!"  # the index of no photos is empty
        file.write_bytes(content)
        assert newest().number == 1
        assert compaction.verify().agrees

    @pytest.mark.parametrize("meta", ["", "{}", "not json"])
    def test_an_index_generation_without_its_meta_data_is_replaced_by_the_next_compaction(
        self, embedded_sofas, meta
    ):
        compact()
        folder = settings.INDEX_ROOT / selection.active_encoder().version
        (folder / "00000001" / "meta.json").write_text(meta)
        compact()
        assert newest().number == 2
        assert compaction.verify().agrees

    def test_an_empty_catalogue_has_an_index_generation(self, encoder):
        assert len(compaction.rebuild().columns) == 0
        assert compaction.verify().agrees
