"""Embedding jobs: requested, claimed, finished and failed."""

import threading
from datetime import timedelta

import numpy as np
import pytest
from django.db import DataError, OperationalError, connection
from django.utils import timezone

from listings import services
from listings.announcing import catalogue_transaction
from listings.photos import processing
from recommendations.encoders import selection
from recommendations.indexing import embedding_jobs
from recommendations.models.catalogue_changes import CatalogueChange
from recommendations.models.embeddings import EmbeddingJob, ListingEmbedding, PhotoFeatures
from tests import factories
from tests.recommendations.indexed import embed

pytestmark = pytest.mark.usefixtures("encoder")


def vector_of(listing) -> np.ndarray:
    return np.frombuffer(ListingEmbedding.objects.get(listing=listing).vector, "<f2")


class TestRequesting:
    def test_publishing_writes_an_embedding_job_and_a_change_in_the_same_transaction(self, sofa):
        assert EmbeddingJob.objects.get().listing == sofa
        assert CatalogueChange.objects.get().listing_id == sofa.pk

    def test_a_draft_gets_an_embedding_job_when_it_is_published(self, alice):
        draft = factories.listing(alice, status="draft")
        assert not EmbeddingJob.objects.exists()
        services.publish(listing=draft)
        assert EmbeddingJob.objects.get().listing == draft

    def test_edited_words_request_an_embedding_and_an_edited_price_does_not(self, sofa):
        embed()
        services.edit_listing(listing=sofa, price=70)
        assert not EmbeddingJob.objects.exists()
        services.edit_listing(listing=sofa, title="Green sofa")
        assert EmbeddingJob.objects.exists()

    def test_missing_embeddings_of_the_whole_catalogue_are_requested_once(self, sofa):
        EmbeddingJob.objects.all().delete()
        embedding_jobs.request_missing()
        embedding_jobs.request_missing()
        assert EmbeddingJob.objects.count() == 1
        embed()
        embedding_jobs.request_missing()
        assert not EmbeddingJob.objects.exists()


class TestEmbedding:
    def test_embedding_stores_the_vector_deletes_the_job_and_logs_the_change(self, sofa):
        assert embed() == {"embedded": 1}
        assert not EmbeddingJob.objects.exists()
        stored = ListingEmbedding.objects.get()
        assert stored.encoder_version == selection.active_encoder().version
        assert stored.content_version == sofa.content_version
        assert CatalogueChange.objects.filter(listing_id=sofa.pk, op="upsert").count() == 2

    def test_vector_blocks_have_unit_length_and_photo_blocks_are_empty_without_photos(self, sofa, alice):
        pictured = factories.listing(alice, "Red sofa")
        factories.photo(pictured)
        embed()
        slices = selection.blocks_of(selection.active_encoder()).slices
        lengths = [
            [np.linalg.norm(vector_of(each)[part].astype(float)) for part in slices]
            for each in (sofa, pictured)
        ]
        assert lengths[0] == pytest.approx([0, 0, 1], abs=0.01)
        assert lengths[1] == pytest.approx([1, 1, 1], abs=0.01)

    def test_photo_features_are_computed_once_for_each_photo(self, sofa):
        first = factories.photo(sofa)
        embed()
        before = PhotoFeatures.objects.get(photo=first).pk
        factories.photo(sofa, "red")
        embed()
        assert PhotoFeatures.objects.count() == 2
        assert PhotoFeatures.objects.get(photo=first).pk == before

    def test_an_edit_during_an_embedding_keeps_its_job(self, sofa, monkeypatch):
        compute = embedding_jobs._compute

        def edited_meanwhile(encoder, ids):
            vectors = compute(encoder, ids)
            monkeypatch.setattr(embedding_jobs, "_compute", compute)
            services.edit_listing(listing=sofa, title="Green sofa")
            return vectors

        monkeypatch.setattr(embedding_jobs, "_compute", edited_meanwhile)
        embed()
        sofa.refresh_from_db()
        assert ListingEmbedding.objects.get().content_version == sofa.content_version == 2
        assert not EmbeddingJob.objects.exists()

    def test_a_listing_sold_before_its_embedding_stays_removed_in_the_change_log(self, sofa):
        services.mark_sold(listing=sofa, buyer=None, now=timezone.now())
        embed()
        assert CatalogueChange.objects.order_by("-seq").first().op == "remove"

    def test_embedding_stops_when_its_budget_is_spent(self, alice):
        with catalogue_transaction():
            for number in range(3):
                factories.listing(alice, f"Sofa {number}")
        times = iter([timezone.now() + timedelta(minutes=m) for m in range(10)])
        assert embedding_jobs.embed_claimed_batches(clock=lambda: next(times), budget=timedelta(0)) == {}
        assert EmbeddingJob.objects.count() == 3


class TestFailing:
    def test_a_missing_photo_fails_its_listing_alone_and_in_the_end_for_good(self, alice):
        broken, whole = factories.listing(alice, "Broken"), factories.listing(alice, "Whole")
        processing.path_of(factories.photo(broken).file.name, processing.Size.MEDIUM).unlink()
        start = timezone.now()
        for turn in range(12):
            time = start + turn * timedelta(minutes=10)
            embed(clock=lambda time=time: time)
        assert ListingEmbedding.objects.get().listing == whole
        job = EmbeddingJob.objects.get()
        assert job.listing == broken
        assert job.attempts == embedding_jobs.MAXIMUM_ATTEMPTS
        assert job.failed_at is not None
        assert "decoded" in job.last_error

    def test_an_embedding_attempt_is_counted_before_the_work_starts(self, sofa):
        embedding_jobs._claim(now=timezone.now())
        assert EmbeddingJob.objects.get().attempts == 1

    def test_a_listing_that_kills_its_worker_each_time_fails_for_good(self, sofa):
        time = timezone.now()
        for attempt in range(embedding_jobs.MAXIMUM_ATTEMPTS):
            assert embedding_jobs._claim(now=time), "claimed, and then the worker is killed"
            time += embedding_jobs.LEASE * 2**attempt
            assert embedding_jobs._claim(now=time) == [], "the pauses grow"
            time += timedelta(seconds=1)
        assert embedding_jobs._claim(now=time) == []
        job = EmbeddingJob.objects.get()
        assert job.failed_at == time
        assert "killed" in job.last_error

    def test_a_listing_whose_words_break_the_encoder_fails_alone(self, sofa, alice, monkeypatch):
        odd = factories.listing(alice, "Lamp")
        compute = embedding_jobs._compute

        def break_over_it(encoder, ids):
            if odd.pk in ids:
                raise KeyError("lamp")
            return compute(encoder, ids)

        monkeypatch.setattr(embedding_jobs, "_compute", break_over_it)
        start = timezone.now()
        for turn in range(2):
            embed(clock=lambda turn=turn: start + turn * timedelta(minutes=10))
        assert ListingEmbedding.objects.get().listing == sofa
        job = EmbeddingJob.objects.get()
        assert (job.listing, job.attempts, job.last_error) == (odd, 2, "'lamp'")

    def test_an_unmounted_photo_folder_fails_no_listing_for_good(self, alice, sofa, settings):
        pictured = factories.listing(alice, "Red sofa")
        factories.photo(pictured)
        aside = settings.MEDIA_ROOT.rename(settings.MEDIA_ROOT.with_name("elsewhere"))
        settings.MEDIA_ROOT.mkdir()  # as an unmounted mount point
        try:
            later = self.tried_often()
            job = EmbeddingJob.objects.get()
            assert (job.listing, job.attempts, job.failed_at) == (pictured, 1, None)
            assert ListingEmbedding.objects.get().listing == sofa  # which needs no photo
        finally:
            settings.MEDIA_ROOT.rmdir()
            aside.rename(settings.MEDIA_ROOT)
        assert embed(clock=lambda: later) == {"embedded": 1}

    @pytest.mark.parametrize(
        ("error", "is_failed"),
        [
            (MemoryError(), False),
            (RuntimeError("DefaultCPUAllocator: can't allocate memory"), False),
            (RuntimeError("a shape that does not fit"), True),
            (OperationalError("the server closed the connection"), False),
            (DataError("a text that cannot be stored"), True),
        ],
    )
    def test_an_outage_of_memory_or_database_fails_no_listing_for_good(
        self, sofa, monkeypatch, error, is_failed
    ):
        def fail(encoder, ids):
            raise error

        monkeypatch.setattr(embedding_jobs, "_compute", fail)
        self.tried_often()
        assert (EmbeddingJob.objects.get().failed_at is not None) == is_failed

    def tried_often(self):
        """Twelve turns, each after the pauses of the one before. Returns the time of the next turn."""
        start = timezone.now()
        for turn in range(12):
            embed(clock=lambda turn=turn: start + turn * timedelta(minutes=10))
        return start + timedelta(hours=2)

    def test_a_database_error_releases_embedding_jobs_with_its_message(self, sofa, monkeypatch):
        def refuse(spaces):
            raise OperationalError("deadlock detected")

        monkeypatch.setattr(embedding_jobs, "_finish", refuse)
        assert embed() == {"failed": 1}
        job = EmbeddingJob.objects.get()
        assert job.last_error == "deadlock detected"
        assert job.claimed_until < timezone.now() + embedding_jobs.LEASE

    def test_a_retried_embedding_job_does_not_wait_for_a_long_import(self, alice, sofa):
        embedding_jobs._claim(now=timezone.now())
        with catalogue_transaction():
            for number in range(embedding_jobs.BATCH_SIZE + 5):
                factories.listing(alice, f"Lamp {number}")
        later = timezone.now() + embedding_jobs.LEASE + timedelta(seconds=1)
        fresh, retried = embedding_jobs._claim(now=later)
        assert len(fresh) == embedding_jobs.BATCH_SIZE
        assert [job.listing for job in retried] == [sofa]

    def test_an_unfinished_embedding_job_is_free_again_after_its_lease(self, sofa):
        start = timezone.now()
        embedding_jobs._claim(now=start)
        assert embed(clock=lambda: start) == {}
        later = start + embedding_jobs.LEASE + timedelta(seconds=1)
        assert embed(clock=lambda: later) == {"embedded": 1}


@pytest.mark.django_db(transaction=True)
def test_a_broken_database_connection_is_replaced_to_release_embedding_jobs(encoder, monkeypatch):
    factories.listing(factories.actor("alice"))

    def be_cut_off(encoder, ids):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with monkeypatch.context() as patch:
        patch.setattr(embedding_jobs, "_compute", be_cut_off)
        assert embed() == {"failed": 1}
    assert "terminating connection" in EmbeddingJob.objects.get().last_error
    later = timezone.now() + embedding_jobs.OUTAGE_PAUSE + timedelta(seconds=1)
    assert embed(clock=lambda: later) == {"embedded": 1}


@pytest.mark.django_db(transaction=True)
class TestBesideAnEdit:
    def test_storing_vectors_and_editing_a_listing_do_not_wait_for_each_other(self, encoder):
        """Both lock rows of one listing, and neither may wait for the other's locks: no deadlock."""
        sofa = factories.listing(factories.actor("alice"))
        held, finished = threading.Event(), threading.Event()

        def edit():
            with catalogue_transaction() as changes:
                services.lock_listing(sofa)
                held.set()
                changes.listing_ids.add(sofa.pk)
                assert finished.wait(30), "the vectors wait for the edit"
            connection.close()

        thread = threading.Thread(target=edit)
        thread.start()
        assert held.wait(10)
        try:
            assert embed() == {"embedded": 1}
        finally:
            finished.set()
            thread.join()
