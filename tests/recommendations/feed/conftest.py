"""A catalogue of several kinds, and feeds over it."""

import pytest

from listings.announcing import catalogue_transaction
from tests import factories
from tests.recommendations.feed.items import KINDS


@pytest.fixture
def catalogue(alice, encoder):
    """Ten of each kind, which differ in a word and in price."""
    with catalogue_transaction():
        return [
            factories.listing(alice, f"{title} {number}", path=path, price=10 * number + 10)
            for number in range(10)
            for title, path in KINDS
        ]


@pytest.fixture
def feed_of(follow):
    """feed_of(client, **query) is the list of items."""

    def request_feed(client, **query):
        follow()
        response = client.get("/api/v1/feed/", query)
        assert response.status_code == 200, response.content
        return response.json()["items"]

    return request_feed


@pytest.fixture
def listings(alice, ago):
    """Sofas, bikes and coats by turns, published an hour apart, the newest first."""
    with catalogue_transaction():
        return [
            factories.listing(alice, f"{KINDS[number % 3][0]} {number}", created_at=ago(hours=number + 1))
            for number in range(24)
        ]


@pytest.fixture
def no_redis(settings):
    """Redis does not answer."""
    settings.REDIS_URL = "redis://127.0.0.1:1"
