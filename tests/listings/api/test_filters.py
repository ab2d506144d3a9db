"""Filters of the list of listings."""

import pytest

from listings.models import Listing
from tests import factories
from tests.listings.api.requests import LISTINGS, SOFAS, ids
from tests.problems import is_problem


class TestFilters:
    @pytest.fixture
    def shelf(self, alice, bob) -> dict[str, Listing]:
        return {
            "sofa": factories.listing(alice, price=50, condition="good"),
            "chair": factories.listing(alice, path="Home & Garden / Chairs", price=20),
            "lamp": factories.listing(bob, path="Home & Garden", price=5),
            "phone": factories.listing(bob, path="Home & Garden & Phones", price=150),
        }

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"category": "Home & Garden"}, {"sofa", "chair", "lamp"}),
            ({"category": SOFAS}, {"sofa"}),
            ({"min_price": "20"}, {"sofa", "chair", "phone"}),
            ({"max_price": "20.00"}, {"chair", "lamp"}),
            ({"min_price": "10", "max_price": "60"}, {"sofa", "chair"}),
            ({"condition": "good"}, {"sofa"}),
            ({"seller": "bob"}, {"lamp", "phone"}),
            ({"seller": "nobody"}, set()),
            ({"category": "Home & Garden", "seller": "bob"}, {"lamp"}),
        ],
        ids=str,
    )
    def test_filters_narrow_the_list_of_listings(self, anyone, shelf, query, expected):
        assert set(ids(anyone.get(LISTINGS, query))) == {shelf[name].external_id for name in expected}

    @pytest.mark.parametrize(
        "query",
        [
            {"category": "Nowhere"},
            {"category": "a\0b"},
            {"min_price": "cheap"},
            {"min_price": "NaN"},
            {"max_price": "Infinity"},
            {"max_price": "1e999999"},
            {"max_price": "9" * 400},
            {"min_price": "1e50"},
            {"min_price": "-1"},
            {"condition": "shiny"},
            {"seller": "a\0b"},
        ],
        ids=lambda query: str(query)[:40],
    )
    def test_a_bad_filter_value_is_refused_with_the_filters_name(self, anyone, shelf, query):
        response = anyone.get(LISTINGS, query)
        assert is_problem(response, 400)
        assert [error["field"] for error in response.json()["errors"]] == list(query)
