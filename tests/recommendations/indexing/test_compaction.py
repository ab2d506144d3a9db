"""Compaction of the change log into index generations, and the verification of the index."""

import numpy as np
import pytest
from django.conf import settings
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
from tests.recommendations.indexed import compact, embed, live_ids, newest


class TestCompaction:
    def test_the_first_index_generation_holds_every_live_listing(self, embedded_sofas):
        compact()
        generation = newest()
        assert sorted(generation.columns.attributes["listing_id"]) == [sofa.pk for sofa in embedded_sofas]
        assert generation.index.count == len(embedded_sofas)
        assert generation.seq == CatalogueChange.objects.order_by("-seq").first().seq

    def test_the_next_index_generation_grows_from_the_last_and_keeps_its_rows(self, embedded_sofas, alice):
        compact()
        first = newest()
        factories.listing(alice, "Green armchair")
        services.mark_sold(listing=embedded_sofas[0], buyer=None, now=timezone.now())
        embed()
        compact()
        second = newest()
        assert second.number == first.number + 1
        assert np.array_equal(second.columns.vectors[: len(embedded_sofas)], first.columns.vectors)
        assert second.columns.attributes["listing_id"][0] == -1
        assert compaction.verify().agrees

    def test_an_index_generation_of_mostly_dead_rows_is_written_without_them(self, embedded_sofas):
        compact()
        for sofa in embedded_sofas[:6]:
            services.withdraw(listing=sofa)
        compact()
        assert len(newest().columns) == 2
        assert compaction.verify().agrees

    def test_few_changes_write_no_index_generation(self, embedded_sofas, alice):
        compact()
        services.withdraw(listing=embedded_sofas[0])
        compaction.compact()
        assert newest().number == 1

    def test_only_one_process_compacts_the_index(self, embedded_sofas):
        compact()
        services.withdraw(listing=embedded_sofas[0])
        with FileLock(settings.INDEX_ROOT / "compaction.lock"):
            assert compact() == {"rows": 0, "changes": 0}
            with pytest.raises(compaction.AlreadyCompacting):
                compaction.rebuild()


class TestCandidateEncoder:
    @pytest.fixture
    def candidate(self, embedded_sofas, follow, monkeypatch) -> TrainedModel:
        compact()
        monkeypatch.setattr(selection, "SEED", selection.SEED + 1)
        monkeypatch.setattr(selection, "_usable", lambda model: None)
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
        snapshot = follow()
        assert snapshot.encoder_version != candidate.version
        assert new.pk in live_ids(snapshot)

    def test_a_rebuild_while_a_candidate_is_prepared_keeps_the_whole_catalogue(
        self, candidate, embedded_sofas
    ):
        embedding_jobs.request_missing()
        embed()
        assert compaction.verify().agrees
        assert len(compaction.rebuild().columns) == len(embedded_sofas)

    def test_a_crash_between_index_and_activation_of_an_encoder_is_mended_by_the_next_compaction(
        self, candidate, embedded_sofas, monkeypatch
    ):
        embedding_jobs.request_missing()
        embed()
        with monkeypatch.context() as crash, pytest.raises(KeyboardInterrupt):
            crash.setattr(
                compaction.publication, "activate", lambda model: (_ for _ in ()).throw(KeyboardInterrupt)
            )
            compact()
        assert self.status(candidate) == "candidate"
        assert live_ids(follower.load(selection.active_encoder())) == {sofa.pk for sofa in embedded_sofas}
        compaction.compact()
        assert self.status(candidate) == "active"


class TestVerifyIndex:
    def test_verify_index_agrees_and_reports_waiting_jobs_apart(self, embedded_sofas, alice, capsys):
        compact()
        factories.listing(alice, "Not embedded yet")
        call_command("verify_index")
        output = capsys.readouterr().out
        assert "8 listings checked; 1 wait" in output
        assert "agree" in output

    def test_verify_index_finds_a_different_vector_a_missing_and_a_surplus_listing(self, embedded_sofas):
        compact()
        other, missing, surplus = embedded_sofas[:3]
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
