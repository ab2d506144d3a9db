"""The feed without a snapshot of the catalogue: trending listings, then the newest."""

from datetime import timedelta

from recommendations.popularity import trending
from tests import factories
from tests.recommendations.feed.items import titles

FEED = "/api/v1/feed/"


def test_the_fallback_shows_trending_listings_and_then_the_newest(listings, charlie, as_bob, now):
    factories.event(charlie, listings[20])
    trending.roll_up(now=now + timedelta(minutes=1))
    page = as_bob.get(FEED).json()
    assert titles(page) == [listings[20].title, *(listing.title for listing in listings[:19])]
    assert [item["reason"]["code"] for item in page["items"][:2]] == ["trending", "new"]
    assert page["degraded"] == ["catalogue"]


def test_the_fallback_does_not_call_an_old_listing_new(alice, as_bob, ago):
    factories.listing(alice, created_at=ago(days=60))
    assert [item["reason"]["code"] for item in as_bob.get(FEED).json()["items"]] == ["more"]


def test_the_fallback_without_redis_shows_the_newest_listings(listings, as_bob, no_redis):
    page = as_bob.get(FEED).json()
    assert titles(page) == [listing.title for listing in listings[:20]]
    assert page["degraded"] == ["catalogue", "trending"]


def test_the_fallback_heeds_filters_and_hidden_listings(listings, bob, as_bob):
    factories.event(bob, listings[0], "hide")
    shown = as_bob.get(FEED, {"max_price": "60", "limit": 3}).json()
    assert titles(shown) == [listing.title for listing in listings[1:4]]
    assert as_bob.get(FEED, {"max_price": "10"}).json()["items"] == []
