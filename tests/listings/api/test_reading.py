"""Reading the catalogue over HTTP: cards, filters, pages."""

import base64
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from listings import services
from listings.models import Listing
from tests import factories
from tests.conftest import service_client
from tests.listings.api.requests import LISTINGS, SOFAS, at, ids
from tests.problems import is_problem


class TestReading:
    def test_anyone_reads_listings_for_sale_newest_first(self, anyone, alice, ago):
        old = factories.listing(alice, created_at=ago(days=2))
        new = factories.listing(alice, created_at=ago(days=1))
        assert ids(anyone.get(LISTINGS)) == [new.external_id, old.external_id]

    def test_a_listings_card_has_all_its_fields(self, anyone, alice, leeds):
        sofa = factories.listing(alice, description="Two seats.", condition="good", place=leeds)
        photo = factories.photo(sofa)
        card = anyone.get(at(sofa)).json()
        assert card["id"] == sofa.external_id
        assert (card["seller"], card["title"], card["description"]) == ("alice", "Blue sofa", "Two seats.")
        assert (card["price"], card["currency"]) == ("50.00", "GBP")
        assert (card["condition"], card["category"], card["status"]) == ("good", SOFAS, "active")
        assert card["place"] == "Leeds, West Yorkshire"
        assert card["photos"][0]["id"] == photo.external_id

    def test_photo_urls_lead_to_a_file_of_every_size(self, anyone, sofa, settings):
        factories.photo(sofa)
        for url in anyone.get(at(sofa)).json()["photos"][0]["urls"].values():
            assert (settings.MEDIA_ROOT / url.removeprefix("/media/")).is_file()

    @pytest.mark.parametrize("status", ["draft", "reserved", "sold", "withdrawn"])
    def test_only_active_listings_are_listed(self, anyone, alice, as_alice, status):
        hidden = factories.listing(alice, status="draft")
        sold_at = hidden.created_at if status == "sold" else None
        Listing.objects.filter(pk=hidden.pk).update(status=status, sold_at=sold_at)
        for client in (anyone, as_alice):
            assert ids(client.get(LISTINGS)) == []

    @pytest.mark.parametrize("status", ["draft", "reserved", "sold", "withdrawn"])
    def test_a_listing_that_is_not_for_sale_is_shown_to_its_owner_staff_and_services_only(
        self, sofa, anyone, as_alice, as_charlie, as_staff, as_service, status
    ):
        sold_at = sofa.created_at if status == "sold" else None
        Listing.objects.filter(pk=sofa.pk).update(status=status, sold_at=sold_at)
        for client in (anyone, as_charlie, service_client("reader", ["feed"])):
            assert is_problem(client.get(at(sofa)), 404)
        for client in (as_alice, as_staff, as_service):
            assert client.get(at(sofa)).json()["status"] == status

    def test_coordinates_in_responses_are_rounded_to_a_hundredth_of_a_degree(self, anyone, alice):
        sofa = factories.listing(alice, latitude=53.79648, longitude=-1.54785)
        card = anyone.get(at(sofa)).json()
        assert (card["latitude"], card["longitude"]) == (53.8, -1.55)

    def test_categories_are_listed_with_their_parents(self, anyone, sofa):
        assert [card["path"] for card in anyone.get("/api/v1/categories/").json()] == ["Home & Garden", SOFAS]

    def test_a_page_of_listings_takes_three_queries_however_many_it_holds(
        self, anyone, alice, django_assert_max_num_queries
    ):
        for _ in range(5):
            factories.photo(factories.listing(alice))
        with django_assert_max_num_queries(3):
            assert len(ids(anyone.get(LISTINGS))) == 5

    def test_an_unknown_listing_id_is_a_404_that_names_it(self, anyone, db):
        response = anyone.get(f"{LISTINGS}nothing/")
        assert is_problem(response, 404)
        assert "nothing" in response.json()["detail"]


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
            {"condition": "shiny"},
            {"seller": "a\0b"},
        ],
        ids=lambda query: str(query)[:40],
    )
    def test_a_bad_filter_value_is_refused_with_the_filters_name(self, anyone, shelf, query):
        response = anyone.get(LISTINGS, query)
        assert is_problem(response, 400)
        assert [error["field"] for error in response.json()["errors"]] == list(query)


class TestPages:
    def test_pages_of_listings_follow_each_other_without_gap_or_repeat(self, anyone, alice, ago):
        expected = [factories.listing(alice, created_at=ago(hours=hour)).external_id for hour in range(7)]
        listed, url = [], f"{LISTINGS}?limit=3"
        while url:
            page = anyone.get(url)
            listed += ids(page)
            url = page.json()["next"]
        assert listed == expected

    def test_listings_created_at_the_same_time_are_paged_to_their_end(self, anyone, alice, now):
        for _ in range(7):
            factories.listing(alice, created_at=now)
        listed, url = [], f"{LISTINGS}?limit=3"
        while url:
            page = anyone.get(url)
            listed += ids(page)
            url = page.json()["next"]
        assert len(listed) == len(set(listed)) == 7

    def test_a_listing_sold_after_the_first_page_is_not_on_the_next(self, anyone, alice, ago, now):
        shelf = [factories.listing(alice, created_at=ago(hours=hour)) for hour in range(4)]
        page = anyone.get(f"{LISTINGS}?limit=2")
        services.mark_sold(listing=shelf[2], buyer=None, now=now)
        assert ids(anyone.get(page.json()["next"])) == [shelf[3].external_id]

    def test_next_and_previous_links_of_pages_lead_back_to_each_other(self, anyone, alice, now, ago):
        shelf = [factories.listing(alice, created_at=now) for _ in range(4)]
        shelf += [factories.listing(alice, created_at=ago(hours=hour)) for hour in (3, 2, 1)]
        first = anyone.get(LISTINGS, {"limit": "3"})
        second = anyone.get(first.json()["next"])
        third = anyone.get(second.json()["next"])
        assert (first.json()["previous"], third.json()["next"]) == (None, None)
        assert len({*ids(first), *ids(second), *ids(third)}) == 7
        assert ids(anyone.get(third.json()["previous"])) == ids(second)
        back = anyone.get(second.json()["previous"])
        assert (ids(back), back.json()["previous"]) == (ids(first), None)
        assert ids(anyone.get(back.json()["next"])) == ids(second)

    def test_the_next_page_is_read_by_position_in_the_index_without_offset(self, anyone, alice, now):
        for _ in range(3):
            factories.listing(alice, created_at=now)
        page = anyone.get(f"{LISTINGS}?limit=1").json()
        with CaptureQueriesContext(connection) as queries:
            anyone.get(page["next"])
        assert "OFFSET" not in str(queries.captured_queries)
        assert re.search(r'\("\w+"."created_at", "\w+"."id"\) < \(', str(queries.captured_queries))

    @pytest.mark.parametrize(
        "cursor",
        [
            *(
                "p=garbage",
                "p=a%00",
                "p=9999-99-99",
                "p=2026-01-01",
                "o=many",
                "o=20",
                "o=100000",
                "r=1",
                "",
                "x",
            ),
            *("p=2026-01-01T00:00:00Z", "p=2026-01-01T00:00:00+1", "p=2026-01-01T00:00:00Z+x"),
            *(
                "p=2026-01-01T00:00:00Z+1&o=1",
                "p=2026-01-01T00:00:00Z+" + "9" * 30,
                "p=2026-01-01T00:00:00Z+-1",
            ),
        ],
    )
    def test_a_forged_page_cursor_is_refused(self, anyone, sofa, cursor):
        encoded = base64.b64encode(cursor.encode()).decode()
        assert is_problem(anyone.get(LISTINGS, {"cursor": encoded}), 404)
        assert is_problem(anyone.get(LISTINGS, {"cursor": "garbage"}), 404)

    @pytest.mark.parametrize("limit", ["0", "-1", "many", "9" * 30])
    def test_a_strange_page_limit_is_ignored(self, anyone, sofa, limit):
        assert ids(anyone.get(LISTINGS, {"limit": limit})) == [sofa.external_id]


class TestUnknownFields:
    def test_unknown_fields_of_a_patch_are_refused_by_name(self, as_alice, sofa):
        address = f"{LISTINGS}{sofa.external_id}/"
        response = as_alice.patch(address, {"status": "sold", "colour": "red"})
        assert is_problem(response, 400)
        assert {error["field"] for error in response.json()["errors"]} == {"status", "colour"}
