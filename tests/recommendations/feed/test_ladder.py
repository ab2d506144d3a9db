"""The feed answers whatever is missing, down to the newest listings, and names what is missing."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F

from listings.announcing import catalogue_transaction
from listings.models import Listing
from recommendations.encoders import selection
from recommendations.interactions.simulation import simulate
from recommendations.models.embeddings import EmbeddingJob
from recommendations.models.trained_models import TrainedModel
from recommendations.popularity import trending
from recommendations.replica import embedding_lag
from recommendations.training.collaborative import train_collaborative
from tests import factories

FEED = "/api/v1/feed/"
KINDS = ["Blue three seater sofa", "Mountain bike with gears", "Winter coat for women"]


@pytest.fixture
def listings(alice, ago):
    with catalogue_transaction():
        return [
            factories.listing(alice, f"{KINDS[number % 3]} {number}", created_at=ago(hours=number + 1))
            for number in range(24)
        ]


@pytest.fixture
def page_of(follow):
    def request_feed(client) -> dict:
        follow()
        return client.get(FEED).json()

    return request_feed


def titles(page: dict) -> list[str]:
    return [item["listing"]["title"] for item in page["items"]]


def refused(kind: str) -> TrainedModel:
    return TrainedModel.objects.create(kind=kind, version="refused", status=TrainedModel.Status.REJECTED)


@pytest.fixture
def no_redis(settings):
    """Redis does not answer."""
    settings.REDIS_URL = "redis://127.0.0.1:1"


class TestRungs:
    def test_a_feed_with_all_its_inputs_names_nothing_as_missing(self, listings, as_bob, bob, page_of, now):
        simulate(shopper_count=40, seed=3, now=now)
        train_collaborative(now=now, force=True)
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
        assert titles(page)[0].startswith(KINDS[0])

    def test_a_feed_without_redis_follows_content_and_names_what_is_missing(
        self, listings, as_bob, bob, page_of, ago, no_redis
    ):
        factories.event(bob, listings[0], at=ago(minutes=5))
        page = page_of(as_bob)
        assert page["degraded"] == ["broker", "collaborative", "trending"]
        assert titles(page)[0].startswith(KINDS[0])

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

    def test_the_fallback_shows_trending_listings_and_then_the_newest(self, listings, charlie, as_bob, now):
        factories.event(charlie, listings[20])
        trending.roll_up(now=now + timedelta(minutes=1))
        page = as_bob.get(FEED).json()
        assert titles(page) == [listings[20].title, *(listing.title for listing in listings[:19])]
        assert [item["reason"]["code"] for item in page["items"][:2]] == ["trending", "new"]
        assert page["degraded"] == ["catalogue"]

    def test_the_fallback_does_not_call_an_old_listing_new(self, alice, as_bob, ago):
        factories.listing(alice, created_at=ago(days=60))
        assert [item["reason"]["code"] for item in as_bob.get(FEED).json()["items"]] == ["more"]

    def test_the_fallback_without_redis_shows_the_newest_listings(self, listings, as_bob, no_redis):
        page = as_bob.get(FEED).json()
        assert titles(page) == [listing.title for listing in listings[:20]]
        assert page["degraded"] == ["catalogue", "trending"]

    def test_the_fallback_heeds_filters_and_hidden_listings(self, listings, bob, as_bob):
        factories.event(bob, listings[0], "hide")
        shown = as_bob.get(FEED, {"max_price": "60", "limit": 3}).json()
        assert titles(shown) == [listing.title for listing in listings[1:4]]
        assert as_bob.get(FEED, {"max_price": "10"}).json()["items"] == []


def test_a_feed_whose_slate_cannot_be_written_is_shown_without_a_cursor(listings, as_bob, page_of):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE recommendations_slate ADD CHECK (false) NOT VALID")
    page = page_of(as_bob)
    assert len(page["items"]) == 20
    assert (page["slate_id"], page["next_cursor"]) == (None, None)
