"""What people went on to from a listing."""

import pytest

from listings import services
from recommendations.similar.also_liked import find_also_liked
from tests import factories
from tests.recommendations.small_world import model


@pytest.fixture
def listings(alice):
    return [factories.listing(alice, title) for title in ("Blue sofa", "Red lamp", "Oak table", "Old bike")]


@pytest.fixture
def liked(listings, follow, still_replica):
    """From the sofa people go on to the table, and less often to the lamp."""
    sofa, lamp, table, bike = (listing.pk for listing in listings)
    follow()
    factors = dict.fromkeys((sofa, lamp, table, bike), (1.0, 0.0))
    trained = model(factors, {sofa: {table: 0.5, lamp: 0.25}})
    still_replica.snapshot = still_replica.snapshot.with_collaborative(trained)


def titles(listing) -> list[str]:
    return [item.listing.title for item in find_also_liked(listing=listing, limit=5).items]


class TestAlsoLiked:
    def test_what_people_went_on_to_most_comes_first(self, listings, liked):
        assert titles(listings[0]) == ["Oak table", "Red lamp"]

    def test_what_was_sold_meanwhile_is_left_out(self, listings, liked, now):
        services.mark_sold(listing=listings[2], buyer=None, now=now)
        assert titles(listings[0]) == ["Red lamp"]

    def test_a_listing_that_the_model_does_not_know_leads_nowhere(self, alice, liked):
        assert titles(factories.listing(alice, "Green chair")) == []

    def test_without_a_model_the_page_says_so(self, listings, follow):
        follow()
        page = find_also_liked(listing=listings[0], limit=5)
        assert (page.items, page.degraded) == ([], ["collaborative"])
