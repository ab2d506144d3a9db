"""Statements that each endpoint sends to PostgreSQL, so that they do not creep back.

Counted at a second request: the first one reads what is read once a second for all requests.
"""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from listings.models import Actor
from tests import factories

FEED = "/api/v1/feed/"


@pytest.fixture
def sofas(transactional_db, alice, follow):
    listings = [factories.listing(alice, f"Blue sofa {number}") for number in range(60)]
    follow()
    return listings


@pytest.fixture
def shopper(sofas) -> Actor:
    """Somebody who viewed some sofas, one of which was sold, and hid one."""
    shopper = Actor.objects.create(external_id="shopper")
    for sofa in sofas[:4]:
        factories.event(shopper, sofa)
    factories.event(shopper, sofas[5], "hide")
    sofas[0].status = "withdrawn"
    sofas[0].save()
    return shopper


def count(request: Callable[[], object]) -> int:
    request()
    with CaptureQueriesContext(connection) as captured:
        answer = request()
    assert answer.status_code == 200
    return len(captured)


class TestFeed:
    def test_of_an_actor_that_a_service_names(self, as_service, shopper):
        assert count(lambda: as_service.get(FEED, {"actor": "shopper"})) == 6

    def test_of_a_visitor(self, sofas):
        visitor = APIClient()
        visitor.post(
            "/api/v1/interactions/",
            {"event_id": "1", "listing": sofas[0].external_id, "kind": "view"},
        )
        assert count(lambda: visitor.get(FEED)) == 5

    def test_of_a_stranger(self, sofas, anyone):
        assert count(lambda: anyone.get(FEED)) == 3

    def test_does_not_grow_with_the_events_of_the_actor(self, as_service, shopper, sofas):
        for kind in ("view", "favourite"):
            for sofa in sofas[10:50]:
                factories.event(shopper, sofa, kind)
        assert count(lambda: as_service.get(FEED, {"actor": "shopper"})) == 6

    def test_of_a_second_page(self, as_service, shopper):
        cursor = as_service.get(FEED, {"actor": "shopper"}).json()["next_cursor"]
        assert count(lambda: as_service.get(FEED, {"actor": "shopper", "cursor": cursor})) == 9


class TestLists:
    def test_of_similar_listings(self, as_service, sofas):
        address = f"/api/v1/listings/{sofas[9].external_id}/similar/"
        assert count(lambda: as_service.get(address)) == 4

    def test_of_a_listing(self, as_service, sofas):
        assert count(lambda: as_service.get(f"/api/v1/listings/{sofas[9].external_id}/")) == 3
