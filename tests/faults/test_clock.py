"""A clock that was years ahead and was corrected: rows from that time block nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from listings.models import Actor
from recommendations import tasks
from recommendations.collaborative.refresh import refresh_collaborative
from recommendations.indexing import embedding_jobs
from recommendations.interactions.recording import Event, record
from recommendations.interactions.simulation import simulate
from recommendations.models.embeddings import EmbeddingJob
from recommendations.popularity import trending
from recommendations.query_parsing import vocabulary
from recommendations.training.collaborative import train_collaborative
from tests import factories

AHEAD = timedelta(days=3650)


@pytest.fixture
def sofas(encoder, alice):
    return [factories.listing(alice, f"Sofa {number}", path=f"Home / S{number % 2}") for number in range(20)]


def seen(actor: Actor, sofa, now) -> None:
    event = Event(f"{actor.pk}-{sofa.pk}-{now}", actor, sofa.external_id, "favourite")
    record(source="tests", events=[event], now=now)


@pytest.mark.django_db(transaction=True)
class TestAClockThatWasAhead:
    def test_jobs_claimed_by_a_clock_ahead_are_embedded(self, sofas, now):
        embedding_jobs._claim(now=now + AHEAD)
        embedding_jobs.embed_claimed_batches(clock=timezone.now)
        assert not EmbeddingJob.objects.exists()

    def test_feeds_trends_and_trainings_work_with_events_from_the_future(
        self, sofas, now, bob, as_bob, follow
    ):
        simulate(shopper_count=30, seed=1, now=now)
        for sofa in sofas[:3]:
            seen(bob, sofa, now + AHEAD)
        follow()
        page = as_bob.get("/api/v1/feed/")
        assert page.status_code == 200 and page.json()["items"]
        tasks.roll_up_trending()
        assert set(trending.top()[1].tolist()) != {0.0}
        train_collaborative(now=now)
        seen(bob, sofas[5], now)
        refresh_collaborative(now=now)

    def test_roll_ups_and_refreshes_go_on_after_a_clock_was_ahead(self, sofas, now, bob):
        for moment in (now + AHEAD, now):
            seen(bob, sofas[0], moment)
            trending.roll_up(now=moment)
            vocabulary.learn_when_stale(now=moment)
        assert sofas[0].pk in trending.top()[0]
        simulate(shopper_count=30, seed=1, now=now)
        train_collaborative(now=now)
        seen(bob, sofas[1], now)
        assert refresh_collaborative(now=now + AHEAD)
        seen(bob, sofas[2], now)
        assert refresh_collaborative(now=now)
