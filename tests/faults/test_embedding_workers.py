"""Embedding workers that are killed: once at each step, and repeatedly by one listing."""

import io
import math
import time
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db.models import F
from django.utils import timezone

from listings.announcing import catalogue_transaction
from recommendations.indexing import compaction, embedding_jobs, wakeup
from recommendations.models.embeddings import EmbeddingJob, ListingEmbedding, PhotoCopy, PhotoFeatures
from tests import factories
from tests.faults.conftest import assert_agrees, children_of
from tests.flows.conftest import EMBEDDINGS, eventually
from tests.recommendations import pictures

STEPS = ("embedding.claimed", "embedding.features", "embedding.computed", "embedding.stored")
RINGS_EVERY_S = 3.0


class Worker:
    """An embedding worker with a pool of one process."""

    def __init__(self, installation):
        self._installation = installation
        self.main = installation.start(EMBEDDINGS)
        self.pool = self._next_pool(without=None)

    def is_killed(self) -> None:
        """Run until it is killed. A new process replaces it, and no further one is killed."""
        self.pool = self._next_pool(without=self.pool)
        self._installation.crash_at()

    def _next_pool(self, without: int | None) -> int:
        def started():
            return [pid for pid in children_of(self.main.pid) if pid != without]

        ring_until(lambda: without not in children_of(self.main.pid), "the process is killed")
        return eventually(started, "there is a process that embeds")[0]


def leases_pass() -> None:
    """Let all leases of claimed jobs expire."""
    EmbeddingJob.objects.exclude(claimed_until=None).update(
        claimed_until=timezone.now() - timedelta(seconds=1)
    )


def ring_until(check, what: str) -> None:
    """Like `eventually`, and sends the embedding task periodically, as beat does, because messages expire."""
    rung_at = -math.inf

    def rung_and_checked() -> bool:
        nonlocal rung_at
        if time.monotonic() - rung_at > RINGS_EVERY_S:
            wakeup.notify_now()
            rung_at = time.monotonic()
        return check()

    eventually(rung_and_checked, what)


def nothing_waits() -> bool:
    return not EmbeddingJob.objects.filter(failed_at=None).exists()


@pytest.fixture
def worker(installation):
    return Worker(installation)


def publish(seller, title: str, photo: bytes):
    listing = factories.listing(seller, title)
    factories.add_picture(listing, photo)
    return listing


class TestKilledAtEachStep:
    def test_an_embedding_worker_killed_at_each_step_loses_nothing_and_repeats_nothing(
        self, worker, installation
    ):
        alice, copycat = factories.actor("alice"), factories.actor("copycat")
        for number, step in enumerate(STEPS):
            photo = pictures.saved(pictures.scene(number))
            installation.crash_at(step)
            with catalogue_transaction():
                one = publish(alice, f"Sofa {number}", photo)
                other = publish(copycat, f"Couch {number}", photo)
            worker.is_killed()
            jobs = EmbeddingJob.objects.filter(listing__in=[one, other])
            is_stored = step == "embedding.stored"
            assert list(jobs.values_list("attempts", flat=True)) == ([] if is_stored else [1, 1])
            features = set(PhotoFeatures.objects.filter(photo__listing__in=[one, other]).values_list("pk"))
            assert len(features) == (0 if step == "embedding.claimed" else 2)
            leases_pass()
            ring_until(nothing_waits, f"what was left at {step} is embedded")
            again = PhotoFeatures.objects.filter(photo__listing__in=[one, other])
            assert features <= set(again.values_list("pk")), "features that were stored are used"
            assert ListingEmbedding.objects.filter(listing__in=[one, other], content_version=2).count() == 2
            assert PhotoCopy.objects.filter(photo__listing=other, original__listing=one).exists()
        compaction.compact(least_changes=1)
        assert_agrees(2 * len(STEPS))


class TestPoison:
    def test_a_listing_that_kills_each_worker_is_set_aside_and_a_command_retries_it(
        self, worker, installation
    ):
        alice = factories.actor("alice")
        with catalogue_transaction():
            _, poison, _ = (factories.listing(alice, f"Sofa {number}") for number in range(3))
            deadly = f"embedding.claimed {poison.pk}"
            installation.crash_at(deadly)
        worker.is_killed()
        assert set(EmbeddingJob.objects.values_list("attempts", flat=True)) == {1}, (
            "nobody knows yet which it was"
        )
        leases_pass()
        installation.crash_at(deadly)
        worker.is_killed()
        installation.crash_at(deadly)
        ring_until(lambda: ListingEmbedding.objects.count() == 2, "the rest is embedded")
        job = EmbeddingJob.objects.get()
        assert (job.listing, job.attempts) == (poison, 2)
        assert job.claimed_until > timezone.now() + timedelta(seconds=70), (
            "it rests longer than the first time"
        )
        EmbeddingJob.objects.update(attempts=F("attempts") + 2)  # two more attempts, without waiting for them
        leases_pass()
        worker.is_killed()
        leases_pass()
        ring_until(nothing_waits, "it is set aside")
        job.refresh_from_db()
        assert job.attempts == embedding_jobs.MAXIMUM_ATTEMPTS
        assert job.last_error == embedding_jobs.KILLED
        call_command("embed", "--retry-failed", stdout=io.StringIO())
        assert_agrees(3)
