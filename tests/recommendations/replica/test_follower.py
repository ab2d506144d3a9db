"""The follower of the change log, which replaces the snapshot of its process."""

from django.conf import settings

from listings import services
from recommendations.encoders import selection
from recommendations.indexing import compaction, embedding_jobs
from recommendations.models.catalogue_changes import CatalogueChange
from recommendations.models.embeddings import ListingEmbedding
from recommendations.models.trained_models import TrainedModel
from recommendations.replica import follower
from tests import factories
from tests.recommendations.indexed import compact, embed, live_ids


class TestLoading:
    def test_without_an_index_generation_the_snapshot_is_loaded_from_the_tables(self, embedded_sofas):
        compact()
        for folder in (settings.INDEX_ROOT / selection.active_encoder().version).iterdir():
            (folder / "index.faiss").unlink()
        assert live_ids(follower.load(selection.active_encoder())) == {sofa.pk for sofa in embedded_sofas}


class TestFollowing:
    def test_a_follower_behind_the_pruned_change_log_reloads(self, embedded_sofas, follow, alice):
        compact()
        snapshot = follow()
        reader = follower._replica
        for number in range(4):
            factories.listing(alice, f"Lamp {number}")
            embed()
            compact()
        assert CatalogueChange.objects.order_by("seq").first().seq > snapshot.seq
        reader.tail()
        assert live_ids(reader.snapshot) == live_ids(follower.from_table(selection.active_encoder()))

    def test_a_running_process_adopts_a_new_index_generation(self, embedded_sofas, follow):
        assert follow().generation == 0
        compact()
        assert follow().generation == 1

    def test_a_follower_loads_a_damaged_index_generation_once(self, embedded_sofas, follow, monkeypatch):
        compact()
        services.withdraw(listing=embedded_sofas[0])
        compact()
        (settings.INDEX_ROOT / selection.active_encoder().version / "00000002" / "index.faiss").unlink()
        loads = []
        monkeypatch.setattr(
            follower, "load", lambda *a, load=follower.load, **k: loads.append(1) or load(*a, **k)
        )
        for _ in range(3):
            follow()
        assert len(loads) == 1

    def test_a_follower_that_fails_serves_its_last_snapshot_and_is_degraded(self, embedded_sofas, follow):
        snapshot, rows = follow(), iter(["of another shape"])

        def look():
            if row := next(rows, None):
                raise ValueError(f"a row {row}")

        follower._replica._try(look)
        assert follower.snapshot() is snapshot
        assert follower.degraded() == ["catalogue"]
        follower._replica._try(follower._replica.tail)
        assert follower.degraded() == ["catalogue"], "what works beside it mends nothing"
        follower._replica._try(look)
        assert follower.degraded() == []

    def test_a_new_encoder_is_adopted_once_every_listing_is_embedded_with_it(
        self, embedded_sofas, follow, monkeypatch
    ):
        compact()
        old = follow().encoder_version
        monkeypatch.setattr(selection, "SEED", selection.SEED + 1)
        monkeypatch.setattr(selection, "_usable", lambda model: None)
        candidate = selection.ensure_encoder(lambda line: None)
        embedding_jobs.request_missing()
        compact()
        assert follow().encoder_version == old, "nothing is embedded yet"
        embed()
        assert live_ids(follower._replica.snapshot) == {sofa.pk for sofa in embedded_sofas}, (
            "the old space still answers"
        )
        compact()
        snapshot = follow()
        assert snapshot.encoder_version == candidate.version
        assert live_ids(snapshot) == {sofa.pk for sofa in embedded_sofas}
        assert TrainedModel.objects.get(version=old).status == "retired"
        assert compaction.verify().agrees
        assert set(ListingEmbedding.objects.values_list("encoder_version", flat=True)) == {
            snapshot.encoder_version
        }
