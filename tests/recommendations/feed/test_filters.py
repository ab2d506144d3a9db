"""Filters of the feed, as its API takes them."""

import pytest

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

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"limit": 0}, "limit"),
            ({"limit": -1}, "limit"),
            ({"limit": 10**9}, "limit"),
            ({"limit": "many"}, "limit"),
            ({"category": "No / Such"}, "category"),
            ({"min_price": 10, "max_price": 5}, "min_price"),
            ({"min_price": "NaN"}, "min_price"),
            ({"radius_km": 5}, "radius_km"),
            ({"lat": 5}, "lat"),
            ({"lon": 5}, "lon"),
            ({"lat": "nan", "lon": "nan", "radius_km": 5}, "lat"),
            ({"lat": 91, "lon": 0}, "lat"),
            ({"condition": "shiny"}, "condition"),
            ({"nonsense": 1}, "nonsense"),
        ],
    )
    def test_an_invalid_query_is_refused_with_400_and_the_name_of_the_field(
        self, anyone, catalogue, follow, query, field
    ):
        follow()
        response = anyone.get("/api/v1/feed/", query)
        assert response.status_code == 400
        assert response["Content-Type"] == "application/problem+json"
        assert field in [error["field"] for error in response.json()["errors"]]
