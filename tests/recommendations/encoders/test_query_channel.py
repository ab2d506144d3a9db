"""Search over the API: filters, pages, personalisation, hints for empty results, and invalid queries."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from listings.announcing import catalogue_transaction
from recommendations.api.search_serializers import Search
from recommendations.search import pipeline
from tests import factories
from tests.recommendations.search.requests import BIKES, SEARCH, ask, ids, names


class TestFilters:
    def test_search_by_filters_alone_brings_the_newest_first(self, anyone, catalogue):
        page = ask(anyone, category="Home & Garden", max_price=100)
        assert names(page, catalogue) == ["settee", "bed", "leather"]

    def test_an_empty_search_is_refused(self, anyone, catalogue):
        for query in ({}, {"q": ""}, {"q": "  "}, {"q": " , "}):
            assert ask(anyone, status=400, **query)["detail"].startswith("Send words")

    def test_search_filters_are_exact(self, anyone, alice, catalogue, follow):
        follow()
        factories.listing(alice, "Sofa like new", price=10, condition="like_new")
        assert len(ask(anyone, q="sofa", condition="like_new")["items"]) == 1
        assert names(ask(anyone, q="sofa", min_price="80.00", max_price=80), catalogue) == ["leather"]
        assert ask(anyone, q="sofa", category="Sports")["items"] == []

    def test_search_refuses_an_unknown_category(self, anyone, catalogue):
        assert ask(anyone, status=400, q="sofa", category="Nowhere")["errors"][0]["field"] == "category"

    def test_facets_count_root_categories_whatever_category_is_filtered(self, anyone, alice, catalogue):
        factories.listing(alice, "Sofa rack for bicycles", path=BIKES)
        expected = {"Home & Garden": 3, "Sports": 1}
        everywhere, sports = ask(anyone, q="sofa"), ask(anyone, q="sofa", category="Sports")
        assert (everywhere["facets"], sports["facets"], len(sports["items"])) == (expected, expected, 1)
        assert ask(anyone, q="sofa", max_price=40, category="Sports")["facets"] == {"Home & Garden": 1}


class TestEmptyResults:
    def test_an_empty_result_names_the_part_of_the_query_that_leaves_nothing(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £5 near Leeds")
        assert (page["items"], page["facets"]) == ([], {})
        assert page["hint"] == {
            "text": "Nothing for “sofa” under £5 near Leeds; 1 without “under £5”.",
            "without": [{"text": "under £5", "count": 1}],
        }

    def test_an_empty_result_names_all_parts_when_no_single_one_is_to_blame(self, anyone, catalogue):
        factories.listing(catalogue["bed"].seller, "Sofa cover", price=400)
        page = ask(anyone, q="cover under £5 near Leeds")
        assert page["hint"]["without"] == [{"text": "under £5 near Leeds", "count": 1}]

    def test_a_hint_names_no_part_without_which_there_are_no_matches_either(self, anyone, catalogue):
        page = ask(anyone, q="xylophone under £5", mend="false")
        assert page["hint"] == {"text": "Nothing for “xylophone” under £5.", "without": []}

    def test_a_hint_counts_with_the_filters_of_the_address(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £5", category="Sports")
        assert page["hint"]["without"] == []

    @pytest.mark.parametrize("words", ["the and of", "🛋️🔥", "!!! & | <-> :*", "' -- ()"])
    def test_a_search_of_stop_words_alone_finds_nothing_and_says_so(self, anyone, catalogue, words):
        page = ask(anyone, q=words)
        assert (page["items"], page["degraded"]) == ([], [])
        assert page["hint"]["text"] == "These words say nothing that could be looked for."


class TestPages:
    @pytest.fixture
    def many(self, alice, encoder):
        with catalogue_transaction():
            return [factories.listing(alice, f"Oak chair {number}") for number in range(25)]

    def test_search_pages_follow_each_other_without_gap_or_repeat(self, anyone, many):
        whole = ids(ask(anyone, q="oak chair", limit=100))
        assert len(whole) == 25
        pages, offset = [], 0
        while offset is not None:
            page = ask(anyone, q="oak chair", limit=10, offset=offset)
            pages, offset = pages + ids(page), page["next_offset"]
        assert pages == whole

    def test_no_search_page_leads_beyond_the_maximum_offset(self, anyone, many, monkeypatch):
        assert Search().fields["offset"].max_value == pipeline.MAXIMUM_OFFSET
        monkeypatch.setattr(pipeline, "MAXIMUM_OFFSET", 10)
        assert ask(anyone, q="oak chair", limit=10)["next_offset"] == 10
        assert ask(anyone, q="oak chair", limit=10, offset=10)["next_offset"] is None
        assert ask(anyone, q="oak chair", limit=11)["next_offset"] is None

    def test_a_search_page_beyond_the_end_is_empty_and_no_error(self, anyone, many):
        page = ask(anyone, q="oak chair", offset=1000)
        assert (page["items"], page["hint"], page["next_offset"]) == ([], None, None)
        assert page["facets"] == {"Home & Garden": 25}

    @pytest.mark.parametrize(
        "query",
        [
            *(
                {"limit": 0},
                {"limit": 101},
                {"limit": 10**6},
                {"limit": "x"},
                {"offset": -1},
                {"offset": 1001},
            ),
            {"cursor": "of-a-feed"},
        ],
    )
    def test_search_refuses_limits_and_offsets_out_of_range(self, anyone, many, query):
        ask(anyone, status=400, q="oak chair", **query)

    def test_search_shows_listings_with_the_same_photo_once(self, anyone, alice, catalogue):
        data = spots()
        twins = [factories.listing(alice, f"Garden gnome {number}") for number in range(2)]
        for twin in twins:
            factories.add_picture(twin, data)
        (item,) = ask(anyone, q="garden gnome")["items"]
        assert {item["listing"]["id"], *item["copies"]} == {twin.external_id for twin in twins}


def spots() -> bytes:
    """A photo of coloured spots, whose hash differs from that of any other photo."""
    colours = np.random.default_rng(5).integers(0, 255, (12, 12, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(colours).resize((240, 240), Image.Resampling.BICUBIC).save(stream, "JPEG")
    return stream.getvalue()


class TestTaste:
    @pytest.fixture
    def chairs(self, alice, encoder):
        """Thirty that full text ranks by their age, the wooden ones last."""
        with catalogue_transaction():
            metal = [factories.listing(alice, f"Chair in polished metal {number}") for number in range(15)]
            wood = [factories.listing(alice, f"Chair in walnut wood {number}") for number in range(15)]
        return wood, metal

    @pytest.fixture
    def liked(self, bob, chairs, follow):
        """Bob looked at metal chairs."""
        for listing in chairs[1][:3]:
            factories.event(bob, listing, "favourite")
        follow()

    def share(self, page: dict, chairs: list) -> int:
        return len({chair.external_id for chair in chairs} & set(ids(page)[:15]))

    def test_search_ranks_higher_what_the_actor_likes(self, anyone, as_bob, chairs, liked):
        his, everyones = ask(as_bob, q="chair", limit=30), ask(anyone, q="chair", limit=30)
        assert self.share(his, chairs[1]) > self.share(everyones, chairs[1])
        assert set(ids(his)) == set(ids(everyones))
        assert "taste" in his["items"][0]["scores"]
        assert "taste" not in everyones["items"][0]["scores"]

    def test_personalisation_of_a_search_can_be_switched_off(self, anyone, as_bob, chairs, liked):
        plain = ask(as_bob, q="chair", personalised="false", limit=30)
        assert ids(plain) == ids(ask(anyone, q="chair", limit=30))

    def test_personalisation_adds_no_listing_to_the_results(self, as_bob, catalogue, chairs, liked):
        assert set(names(ask(as_bob, q="sofa"), catalogue)) == {"leather", "blue", "bed"}

    def test_search_still_finds_what_the_actor_viewed(self, as_bob, chairs, liked):
        assert chairs[1][0].external_id in ids(ask(as_bob, q="chair", limit=30))

    def test_search_leaves_out_what_the_actor_hid_or_reported(self, bob, as_bob, catalogue, follow):
        factories.event(bob, catalogue["blue"], "hide")
        factories.event(bob, catalogue["bed"], "report")
        for more in ({}, {"personalised": "false"}):
            page = ask(as_bob, q="sofa", **more)
            assert (names(page, catalogue), page["facets"]) == (["leather"], {"Home & Garden": 1})
        assert set(names(ask(as_bob, category="Home & Garden"), catalogue)) == {"leather", "settee"}

    def test_search_leaves_out_what_the_actor_sells(self, as_alice, bob, catalogue):
        his = factories.listing(bob, "Sofa of Bob")
        page = ask(as_alice, q="sofa")
        assert (ids(page), page["facets"]) == ([his.external_id], {"Home & Garden": 1})

    def test_a_service_may_search_for_an_actor_and_another_actor_may_not(
        self, as_service, as_charlie, chairs, liked, as_bob
    ):
        assert ids(ask(as_service, q="chair", actor="bob")) == ids(ask(as_bob, q="chair"))
        ask(as_charlie, status=403, q="chair", actor="bob")

    def test_a_search_for_an_unknown_actor_is_not_personalised(self, as_service, anyone, catalogue):
        assert ids(ask(as_service, q="sofa", actor="nobody-yet")) == ids(ask(anyone, q="sofa"))

    def test_personalised_search_finds_a_listing_that_is_not_embedded_yet(self, as_bob, alice, chairs, liked):
        new = factories.listing(alice, "Chair chair chair")
        assert new.external_id in ids(ask(as_bob, q="chair", limit=30))


class TestSending:
    def test_search_takes_the_same_parameters_as_json(self, anyone, catalogue):
        for body in ({"q": "sofa", "max_price": 100}, {"words": "sofa under £100", "limit": 5}):
            page = anyone.post(SEARCH, body).json()
            assert set(names(page, catalogue)) == {"leather", "bed"}

    def test_a_visitor_without_a_cookie_may_send_a_search(self, client, catalogue):
        reply = client.post(SEARCH, json.dumps({"q": "sofa"}), content_type="application/json")
        assert reply.status_code == 200

    @pytest.mark.parametrize(
        "body",
        [
            {},
            [],
            "sofa",
            {"q": "sofa", "words": "bed"},
            {"q": "sofa\x00"},
            {"q": "\ud800 sofa"},
            {"q": "sofa", "category": "\ud800"},
            {"q": ["sofa"]},
            {"q": {"a": 1}},
            {"q": "a" * 501},
            {"q": "sofa", "k": 5},
            {"q": "sofa", "photo": "photo.jpg"},
            {"q": "sofa", "min_price": 5, "max_price": 2},
            {"q": "sofa", "min_price": "NaN"},
            {"q": "sofa", "lat": 50},
            {"q": "sofa", "lat": "inf", "lon": 1, "radius_km": 5},
        ],
    )
    def test_search_refuses_invalid_bodies(self, anyone, catalogue, body):
        reply = anyone.post(SEARCH, json.dumps(body), content_type="application/json")
        assert (reply.status_code, reply.headers["Content-Type"]) == (400, "application/problem+json")

    @pytest.mark.parametrize("words", ["a" * 10_000, "sofa " * 3000])
    def test_search_refuses_a_query_of_ten_thousand_characters(self, anyone, catalogue, words):
        ask(anyone, status=400, q=words)

    @pytest.mark.parametrize(
        "words",
        [
            *(
                "sofa' OR 1=1; --",
                "sofa & | ! <-> :*",
                "((",
                "\\",
                "%",
                "'",
                "$$",
                "a:*b",
                "sofa:ABCD",
                "-" * 500,
            ),
            *(
                "ſofa",
                "İ",
                "\u202e sofa",
                "\ufeff",
                "x" * 500,
                "£",
                "under",
                "under £",
                "near",
                "1e999",
                "under £1e9",
            ),
            "under £99999999999999999999 near Leeds over £1",
        ],
    )
    def test_odd_words_never_break_a_search(self, anyone, catalogue, follow, words):
        follow()
        for more in ({}, {"understand": "false"}):
            assert anyone.get(SEARCH, {"q": words, **more}).status_code in (200, 400)
