"""Feeds that lack an input: they are answered all the same, and name what is missing."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from listings.models import Listing
from recommendations.encoders import selection
from recommendations.interactions.simulation import simulate
from recommendations.models.embeddings import EmbeddingJob
from recommendations.models.trained_models import TrainedModel
from recommendations.replica import embedding_lag
from tests import factories
from tests.recommendations.feed.items import KINDS, titles
from tests.recommendations.published import publish_collaborative

FEED = "/api/v1/feed/"
SOFA, _ = KINDS[0]


@pytest.fixture
def page_of(follow):
    def request_feed(client) -> dict:
        follow()
        return client.get(FEED).json()

    return request_feed


def refused(kind: str) -> TrainedModel:
    return TrainedModel.objects.create(kind=kind, version="refused", status=TrainedModel.Status.REJECTED)


class TestDegraded:
    def test_a_feed_with_all_its_inputs_names_nothing_as_missing(self, listings, as_bob, bob, page_of, now):
        simulate(shopper_count=40, seed=3, now=now)
        publish_collaborative(now=timezone.now())
        factories.event(bob, listings[0])
        assert page_of(as_bob)["degraded"] == []

    def test_a_feed_without_a_ranker_is_full_and_names_it(self, listings, as_bob, page_of):
        refused(TrainedModel.Kind.RANKER)
        page = page_of(as_bob)
        assert "ranker" in page["degraded"]
        assert len(page["items"]) == 20

    def test_a_feed_without_a_collaborative_model_follows_content(self, listings, as_bob, bob, page_of, ago):
        factories.event(bob, listings[0], at=ago(minutes=5))
        page = page_of(as_bob)
        assert page["degraded"] == ["collaborative"]
        assert titles(page)[0].startswith(SOFA)

    def test_a_feed_without_redis_follows_content_and_names_what_is_missing(
        self, listings, as_bob, bob, page_of, ago, no_redis
    ):
        factories.event(bob, listings[0], at=ago(minutes=5))
        page = page_of(as_bob)
        assert page["degraded"] == ["broker", "collaborative", "trending"]
        assert titles(page)[0].startswith(SOFA)

    def test_embedding_is_late_when_a_listing_waits_longer_than_the_patience(
        self, listings, alice, as_bob, follow, ago
    ):
        follow()
        late = factories.listing(alice, "Waits for its vector", created_at=ago(hours=1))
        type(late).objects.filter(pk=late.pk).update(
            updated_at=ago(seconds=2 * embedding_lag.EMBEDDING_PATIENCE.seconds)
        )
        version = selection.active_encoder().version
        assert embedding_lag.is_embedding_late(version, now=ago())
        assert not embedding_lag.is_embedding_late(version, now=ago() - timedelta(hours=1))

    def test_embedding_with_another_encoder_makes_nothing_late_for_the_active_one(
        self, listings, follow, ago
    ):
        follow()
        Listing.objects.update(updated_at=ago(days=1))
        EmbeddingJob.objects.bulk_create(EmbeddingJob(listing=listing) for listing in listings)
        version = selection.active_encoder().version
        assert not embedding_lag.is_embedding_late(version, now=ago())
        assert embedding_lag.is_embedding_late("the-next", now=ago())
        Listing.objects.filter(pk=listings[0].pk).update(content_version=F("content_version") + 1)
        assert embedding_lag.is_embedding_late(version, now=ago())


def test_a_feed_whose_slate_cannot_be_written_is_shown_without_a_cursor(listings, as_bob, page_of):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE recommendations_slate ADD CHECK (false) NOT VALID")
    page = page_of(as_bob)
    assert len(page["items"]) == 20
    assert (page["slate_id"], page["next_cursor"]) == (None, None)
