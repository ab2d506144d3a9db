"""Pages of the list of listings."""

import base64
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from listings import services
from listings.announcing import catalogue_transaction
from tests import factories
from tests.listings.api.requests import LISTINGS, ids
from tests.problems import is_problem


class TestPages:
    def test_pages_of_listings_follow_each_other_without_gap_or_repeat(self, anyone, alice, ago):
        with catalogue_transaction():
            expected = [factories.listing(alice, created_at=ago(hours=hour)).external_id for hour in range(7)]
        listed, url = [], f"{LISTINGS}?limit=3"
        while url:
            page = anyone.get(url)
            listed += ids(page)
            url = page.json()["next"]
        assert listed == expected

    def test_listings_created_at_the_same_time_are_paged_to_their_end(self, anyone, alice, now):
        with catalogue_transaction():
            for _ in range(7):
                factories.listing(alice, created_at=now)
        listed, url = [], f"{LISTINGS}?limit=3"
        while url:
            page = anyone.get(url)
            listed += ids(page)
            url = page.json()["next"]
        assert len(listed) == len(set(listed)) == 7

    def test_a_listing_sold_after_the_first_page_is_not_on_the_next(self, anyone, alice, ago, now):
        with catalogue_transaction():
            shelf = [factories.listing(alice, created_at=ago(hours=hour)) for hour in range(4)]
        page = anyone.get(f"{LISTINGS}?limit=2")
        services.mark_sold(listing=shelf[2], buyer=None, now=now)
        assert ids(anyone.get(page.json()["next"])) == [shelf[3].external_id]

    def test_next_and_previous_links_of_pages_lead_back_to_each_other(self, anyone, alice, now, ago):
        with catalogue_transaction():
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

    @pytest.mark.parametrize("sort", ["price", "-price"])
    def test_pages_of_any_order_follow_each_other_and_lead_back(self, anyone, alice, sort):
        prices = [30, 10, 10, 10, 20, 0, 10]
        with catalogue_transaction():
            for price in prices:
                factories.listing(alice, price=price)
        pages, url = [], f"{LISTINGS}?limit=3&sort={sort}"
        while url:
            pages.append(anyone.get(url))
            url = pages[-1].json()["next"]
        listed = [float(card["price"]) for page in pages for card in page.json()["results"]]
        assert listed == sorted(prices, reverse=sort == "-price")
        assert len({name for page in pages for name in ids(page)}) == 7
        assert ids(anyone.get(pages[2].json()["previous"])) == ids(pages[1])
        back = anyone.get(pages[1].json()["previous"])
        assert (ids(back), back.json()["previous"]) == (ids(pages[0]), None)

    def test_an_unknown_order_is_refused(self, anyone, alice):
        assert is_problem(anyone.get(LISTINGS, {"sort": "cheapest"}), 400)

    def test_the_next_page_is_read_by_position_in_the_index_without_offset(self, anyone, alice, now):
        with catalogue_transaction():
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
        for forged in (encoded, "garbage"):
            response = anyone.get(LISTINGS, {"cursor": forged})
            assert is_problem(response, 400)
            assert [error["field"] for error in response.json()["errors"]] == ["cursor"]

    @pytest.mark.parametrize("limit", ["", "0", "-3", "abc", "1.5", "101", "9" * 30])
    def test_a_page_limit_that_cannot_be_read_is_refused(self, anyone, sofa, limit):
        response = anyone.get(LISTINGS, {"limit": limit})
        assert is_problem(response, 400)
        assert [error["field"] for error in response.json()["errors"]] == ["limit"]
