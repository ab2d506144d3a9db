"""Filters of the feed, as its API takes them."""

from tests import factories
from tests.recommendations.feed.items import OFFICE, ids


class TestFilters:
    def test_a_category_filter_includes_the_categories_below_it(self, anyone, catalogue, feed_of):
        items = feed_of(anyone, category="Home & Garden", limit=100)
        assert {item["listing"]["category"] for item in items} == {"Home & Garden / Sofas", OFFICE}
        assert len(items) == 30

    def test_a_price_filter_keeps_listings_within_its_bounds(self, anyone, catalogue, feed_of):
        items = feed_of(anyone, min_price=30, max_price=50, limit=100)
        assert {float(item["listing"]["price"]) for item in items} == {30, 40, 50}

    def test_a_condition_filter_keeps_listings_of_that_condition(self, anyone, alice, catalogue, feed_of):
        new = factories.listing(alice, "Lamp", condition="new")
        assert ids(feed_of(anyone, condition="new")) == [new.external_id]

    def test_a_radius_filter_keeps_listings_within_the_distance(self, anyone, alice, catalogue, feed_of):
        leeds = factories.listing(alice, "Lamp", latitude=53.8, longitude=-1.55)
        factories.listing(alice, "Lamp", latitude=51.5, longitude=-0.12)
        items = feed_of(anyone, lat=53.79, lon=-1.75, radius_km=20)  # Bradford, 13 km from there
        assert ids(items) == [leeds.external_id]
        assert feed_of(anyone, lat=53.79, lon=-1.75, radius_km=10) == []
