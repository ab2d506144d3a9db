"""Index generations on disk, compaction, and the verification of the index."""

import json

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from filelock import FileLock

from listings import services
from ml.encoder.blocks import Blocks
from recommendations.encoders import selection
from recommendations.indexing import compaction, embedding_jobs
from recommendations.models import embeddings
from recommendations.models.catalogue_changes import CatalogueChange
from recommendations.models.embeddings import ListingEmbedding
from recommendations.models.trained_models import TrainedModel
from recommendations.replica import follower, generations
from tests import factories


def embed():
    embedding_jobs.embed_claimed_batches(clock=timezone.now)


@pytest.fixture
def sofas(encoder, alice):
    made = [factories.listing(alice, f"Blue sofa number {number}") for number in range(8)]
    embed()
    return made


def newest() -> generations.Generation:
    return generations.newest(selection.active_encoder().version)


def compact():
    return compaction.compact(least_changes=1)


def live_ids(view) -> set[int]:
    return set(view.attributes["listing_id"][view.alive].tolist())


class TestGenerations:
    def test_the_first_index_generation_holds_every_live_listing(self, sofas):
        compact()
        generation = newest()
        assert sorted(generation.columns.attributes["listing_id"]) == [sofa.pk for sofa in sofas]
        assert generation.index.count == len(sofas)
        assert generation.seq == CatalogueChange.objects.order_by("-seq").first().seq

    def test_the_next_index_generation_grows_from_the_last_and_keeps_its_rows(self, sofas, alice):
        compact()
        first = newest()
        factories.listing(alice, "Green armchair")
        services.mark_sold(listing=sofas[0], buyer=None, now=timezone.now())
        embed()
        compact()
        second = newest()
        assert second.number == first.number + 1
        assert np.array_equal(second.columns.vectors[: len(sofas)], first.columns.vectors)
        assert second.columns.attributes["listing_id"][0] == -1
        assert compaction.verify().agrees

    def test_an_index_generation_of_mostly_dead_rows_is_written_without_them(self, sofas):
        compact()
        for sofa in sofas[:6]:
            services.withdraw(listing=sofa)
        compact()
        assert len(newest().columns) == 2
        assert compaction.verify().agrees

    def test_few_changes_write_no_index_generation(self, sofas, alice):
        compact()
        services.withdraw(listing=sofas[0])
        compaction.compact()
        assert newest().number == 1

    def test_two_index_generations_are_kept_and_the_change_log_is_pruned_behind_the_older(self, sofas):
        for sofa in sofas[:3]:
            compact()
            services.withdraw(listing=sofa)
        root = compaction.settings.INDEX_ROOT / selection.active_encoder().version
        kept = sorted(folder.name for folder in root.iterdir())
        assert kept == ["00000002", "00000003"]
        oldest = json.loads((root / kept[0] / "meta.json").read_text())["seq"]
        assert CatalogueChange.objects.order_by("seq").first().seq == oldest

    @pytest.mark.parametrize("name", generations.FILES)
    def test_a_damaged_index_generation_is_passed_over_for_the_one_before(self, sofas, name):
        compact()
        services.withdraw(listing=sofas[0])
        compact()
        file = compaction.settings.INDEX_ROOT / selection.active_encoder().version / "00000002" / name
        content = bytearray(file.read_bytes())
        content[len(content) // 2 : len(content) // 2 + 1] = b"!"  # the index of no photos is empty
        file.write_bytes(content)
        assert newest().number == 1
        assert compaction.verify().agrees

    @pytest.mark.parametrize("meta", ["", "{}", "not json"])
    def test_an_index_generation_without_its_meta_data_is_replaced_by_the_next_compaction(self, sofas, meta):
        compact()
        folder = compaction.settings.INDEX_ROOT / selection.active_encoder().version
        (folder / "00000001" / "meta.json").write_text(meta)
        compact()
        assert newest().number == 2
        assert compaction.verify().agrees

    def test_without_an_index_generation_the_snapshot_is_loaded_from_the_tables(self, sofas):
        compact()
        for folder in (compaction.settings.INDEX_ROOT / selection.active_encoder().version).iterdir():
            (folder / "index.faiss").unlink()
        assert live_ids(follower.load(selection.active_encoder())) == {sofa.pk for sofa in sofas}

    def test_only_one_process_compacts_the_index(self, sofas):
        compact()
        services.withdraw(listing=sofas[0])
        with FileLock(compaction.settings.INDEX_ROOT / "compaction.lock"):
            assert compact() == {"rows": 0, "changes": 0}
            with pytest.raises(compaction.AlreadyCompacting):
                compaction.rebuild()

    def test_an_empty_catalogue_has_an_index_generation(self, encoder):
        assert len(compaction.rebuild().columns) == 0
        assert compaction.verify().agrees


class TestFollowing:
    def test_a_follower_behind_the_pruned_change_log_reloads(self, sofas, follow, alice):
        compact()
        view = follow()
        reader = follower._replica
        for number in range(4):
            factories.listing(alice, f"Lamp {number}")
            embed()
            compact()
        assert CatalogueChange.objects.order_by("seq").first().seq > view.seq
        reader.tail()
        assert live_ids(reader.snapshot) == live_ids(follower.from_table(selection.active_encoder()))

    def test_a_running_process_adopts_a_new_index_generation(self, sofas, follow):
        assert follow().generation == 0
        compact()
        assert follow().generation == 1

    def test_a_follower_loads_a_damaged_index_generation_once(self, sofas, follow, monkeypatch):
        compact()
        services.withdraw(listing=sofas[0])
        compact()
        (
            compaction.settings.INDEX_ROOT / selection.active_encoder().version / "00000002" / "index.faiss"
        ).unlink()
        loads = []
        monkeypatch.setattr(
            follower, "load", lambda *a, load=follower.load, **k: loads.append(1) or load(*a, **k)
        )
        for _ in range(3):
            follow()
        assert len(loads) == 1

    def test_a_follower_that_fails_serves_its_last_snapshot_and_is_degraded(self, sofas, follow):
        view, rows = follow(), iter(["of another shape"])

        def look():
            if row := next(rows, None):
                raise ValueError(f"a row {row}")

        follower._replica._try(look)
        assert follower.snapshot() is view
        assert follower.degraded() == ["catalogue"]
        follower._replica._try(follower._replica.tail)
        assert follower.degraded() == ["catalogue"], "what works beside it mends nothing"
        follower._replica._try(look)
        assert follower.degraded() == []

    def test_a_new_encoder_is_adopted_once_every_listing_is_embedded_with_it(
        self, sofas, follow, monkeypatch
    ):
        compact()
        old = follow().encoder_version
        monkeypatch.setattr(selection, "SEED", selection.SEED + 1)
        monkeypatch.setattr(selection, "_answers", lambda model: False)
        candidate = selection.ensure_encoder(lambda line: None)
        embedding_jobs.request_missing()
        compact()
        assert follow().encoder_version == old, "nothing is embedded yet"
        embed()
        assert live_ids(follower._replica.snapshot) == {sofa.pk for sofa in sofas}, (
            "the old space still answers"
        )
        compact()
        view = follow()
        assert view.encoder_version == candidate.version
        assert live_ids(view) == {sofa.pk for sofa in sofas}
        assert TrainedModel.objects.get(version=old).status == "retired"
        assert compaction.verify().agrees
        assert set(ListingEmbedding.objects.values_list("encoder_version", flat=True)) == {
            view.encoder_version
        }


class TestWhileAnEncoderIsMadeReady:
    @pytest.fixture
    def candidate(self, sofas, follow, monkeypatch) -> TrainedModel:
        compact()
        monkeypatch.setattr(selection, "SEED", selection.SEED + 1)
        monkeypatch.setattr(selection, "_answers", lambda model: False)
        return selection.ensure_encoder(lambda line: None)

    def status(self, model) -> str:
        model.refresh_from_db()
        return model.status

    def test_a_candidate_encoder_is_not_activated_before_its_embeddings_are_requested(self, candidate):
        compact()
        assert self.status(candidate) == "candidate"

    def test_a_candidate_encoder_is_not_activated_when_every_embedding_failed(self, candidate):
        embedding_jobs.request_missing()
        embeddings.EmbeddingJob.objects.update(failed_at=timezone.now())
        compact()
        assert self.status(candidate) == "candidate"

    def test_a_listing_published_while_a_candidate_is_prepared_is_found_in_the_old_space(
        self, candidate, alice, follow
    ):
        new = factories.listing(alice, "Blue sofa that just came")
        view = follow()
        assert view.encoder_version != candidate.version
        assert new.pk in live_ids(view)

    def test_a_rebuild_while_a_candidate_is_prepared_keeps_the_whole_catalogue(self, candidate, sofas):
        embedding_jobs.request_missing()
        embed()
        assert compaction.verify().agrees
        assert len(compaction.rebuild().columns) == len(sofas)

    def test_a_crash_between_index_and_activation_of_an_encoder_is_mended_by_the_next_compaction(
        self, candidate, sofas, monkeypatch
    ):
        embedding_jobs.request_missing()
        embed()
        with monkeypatch.context() as crash, pytest.raises(KeyboardInterrupt):
            crash.setattr(
                compaction.model_store, "activate", lambda model: (_ for _ in ()).throw(KeyboardInterrupt)
            )
            compact()
        assert self.status(candidate) == "candidate"
        assert live_ids(follower.load(selection.active_encoder())) == {sofa.pk for sofa in sofas}
        compaction.compact()
        assert self.status(candidate) == "active"


class TestVerifyIndex:
    def test_verify_index_agrees_and_reports_waiting_jobs_apart(self, sofas, alice, capsys):
        compact()
        factories.listing(alice, "Not embedded yet")
        call_command("verify_index")
        output = capsys.readouterr().out
        assert "8 listings checked; 1 wait" in output
        assert "agree" in output

    def test_verify_index_finds_a_different_vector_a_missing_and_a_surplus_listing(self, sofas):
        compact()
        other, missing, surplus = sofas[:3]
        row = ListingEmbedding.objects.get(listing=other)
        row.vector = bytes(reversed(bytes(row.vector)))
        row.save()
        columns = newest().columns
        keep = columns.attributes["listing_id"] != missing.pk
        broken = columns.taken(keep)
        generations.publish_generation(selection.active_encoder().version, Blocks(), broken, newest().seq)
        ListingEmbedding.objects.filter(listing=surplus).delete()
        verdict = compaction.verify()
        assert (verdict.different, verdict.missing, verdict.surplus) == (
            [other.pk],
            [missing.pk],
            [surplus.pk],
        )
        with pytest.raises(CommandError, match="rebuild_index"):
            call_command("verify_index")
        call_command("rebuild_index")
        assert compaction.verify().agrees

    def test_verify_index_before_the_first_encoder_names_the_command_to_run(self, db):
        with pytest.raises(CommandError, match="manage.py embed"):
            call_command("verify_index")
