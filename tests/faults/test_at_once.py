"""Two processes with the same work, one of them halted in the middle."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone

from listings import services
from recommendations import tasks
from recommendations.collaborative import store
from recommendations.collaborative.refresh import refresh_collaborative
from recommendations.encoders import selection
from recommendations.indexing import compaction, embedding_jobs
from recommendations.indexing import tasks as indexing_tasks
from recommendations.interactions.simulation import simulate
from recommendations.models.embeddings import EmbeddingJob, ListingEmbedding
from recommendations.popularity import trending
from recommendations.replica import generations
from tests import factories
from tests.faults.conftest import assert_agrees


@pytest.fixture
def sofas(installation):
    alice = factories.actor("alice")
    return [factories.listing(alice, f"Sofa {number}", path=f"Home / S{number % 2}") for number in range(20)]


@pytest.fixture
def forking(installation):
    return installation.forking()


def embed() -> dict[str, int]:
    return embedding_jobs.embed_claimed_batches(clock=timezone.now)


class TestTwoAtOnce:
    def test_a_second_rebuild_of_the_index_at_once_is_refused_and_harms_nothing(
        self, installation, sofas, forking
    ):
        embed()
        compaction.compact(least_changes=1)
        other = installation.forking()
        with forking.halting(installation, "index.written", "rebuild_index") as ended:
            assert other.run("rebuild_index") == 1
            services.withdraw(listing=sofas[0])
            assert compaction.compact(least_changes=1) == {"rows": 0, "changes": 0}
            assert_agrees(19)
        assert ended == [0]
        assert generations.newest(selection.active_encoder().version).number == 2
        assert_agrees(19)

    def test_a_second_training_at_once_is_refused_and_harms_nothing(self, installation, sofas, forking):
        simulate(shopper_count=30, seed=1, now=timezone.now())
        other = installation.forking()
        with forking.halting(installation, "model.synced", "train", "collaborative") as ended:
            assert other.run("train", "collaborative") == 1
            assert refresh_collaborative(now=timezone.now()) == 0
            assert store.active() is None
        assert ended == [0]
        assert store.load(store.active())
        assert store.trainings().count() == 1


class TestAWorkerThatSleptTooLong:
    """The lease of a halted worker expires, and another worker does its job."""

    def test_a_worker_that_slept_past_its_lease_does_not_overwrite_newer_embeddings(
        self, installation, sofas, forking
    ):
        edited, sold, same = sofas[:3]
        with forking.halting(installation, "embedding.computed", "embed", "--here") as ended:
            services.edit_listing(listing=edited, title="Green armchair")
            services.mark_sold(listing=sold, buyer=None, now=timezone.now())
            EmbeddingJob.objects.exclude(claimed_until=None).update(claimed_until=timezone.now())
            embed()
            assert not EmbeddingJob.objects.exists()
            before = dict(ListingEmbedding.objects.values_list("listing", "vector"))
        assert ended == [0]
        assert dict(ListingEmbedding.objects.values_list("listing", "vector")) == before
        assert ListingEmbedding.objects.get(listing=edited).content_version == 2
        assert ListingEmbedding.objects.filter(listing=same).count() == 1
        compaction.compact(least_changes=1)
        assert_agrees(19)


class TestTasksTwiceAndInAnyOrder:
    def test_tasks_run_twice_and_in_any_order_leave_what_one_orderly_run_would(self, installation, sofas):
        bob = factories.actor("bob")
        every = [
            indexing_tasks.embed_pending,
            tasks.roll_up_trending,
            tasks.roll_up_exposure,
            tasks.compact_index,
        ]
        chance = random.Random(5)

        def run(task) -> None:
            task()
            connection.close()

        with ThreadPoolExecutor(4) as threads:
            for sofa in sofas[:8]:
                for kind in ("view", "favourite", "unfavourite"):
                    factories.event(bob, sofa, kind)
                services.edit_listing(listing=sofa, title=f"{sofa.title} again")
                list(threads.map(run, chance.sample(every * 2, k=8)))
        indexing_tasks.embed_pending()
        assert_agrees(20)
        tasks.roll_up_trending()
        in_any_order = trending_now()
        trending.client().flushdb()
        tasks.roll_up_trending()
        assert in_any_order == trending_now()


def trending_now() -> dict[int, float]:
    ids, scores = trending.top()
    return dict(zip(ids.tolist(), scores.round(3).tolist(), strict=True))
