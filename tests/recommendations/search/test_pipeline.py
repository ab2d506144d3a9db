"""Search pipeline over the API: fusion, personalisation, facets and pages."""

import io

import numpy as np
import pytest
from PIL import Image

from listings.announcing import catalogue_transaction
from recommendations.api.search_serializers import Search
from recommendations.search import pipeline
from tests import factories
from tests.recommendations.search.requests import BIKES, SEATS, ask, ids, names


class TestResults:
    def test_search_results_mark_the_matching_words(self, anyone, alice, catalogue):
        factories.listing(alice, "Lamp <b>", description="Stands beside any lamp & sofa.")
        item = ask(anyone, q="lamp")["items"][0]
        assert item["highlight"] == {
            "title": "<mark>Lamp</mark> &lt;b&gt;",
            "description": "Stands beside any <mark>lamp</mark> &amp; sofa.",
        }

    def test_search_scores_are_what_each_ranking_adds(self, anyone, catalogue, follow):
        follow()
        first, second, *_ = ask(anyone, q="sofa")["items"]
        assert first["scores"] == {"words": round(1 / 61, 6)}
        assert second["score"] == second["scores"]["words"] == round(1 / 62, 6)

    def test_search_fuses_the_rankings_by_words_and_by_vectors(self, alice, anyone, catalogue, known):
        with catalogue_transaction():
            sofas = [factories.listing(alice, f"Sofa number {number}") for number in range(10)]
        named = catalogue | {str(number): sofa for number, sofa in enumerate(sofas)}
        by_words = names(ask(anyone, q="sofa"), named)
        last = by_words[-1]
        known(named[last], words="sofa")
        page = ask(anyone, q="sofa")
        assert page["degraded"] == []
        assert names(page, named).index(last) < len(by_words) - 1
        item = next(i for i in page["items"] if i["listing"]["id"] == named[last].external_id)
        assert item["scores"]["words"] == round(1 / (60 + len(by_words)), 6)
        assert item["score"] == pytest.approx(sum(item["scores"].values()), abs=2e-6)

    def test_an_empty_search_is_refused(self, anyone, catalogue):
        for query in ({}, {"q": ""}, {"q": "  "}, {"q": " , "}):
            assert ask(anyone, status=400, **query)["detail"].startswith("Send words")

    def test_facets_count_root_categories_whatever_category_is_filtered(self, anyone, alice, catalogue):
        factories.listing(alice, "Sofa rack for bicycles", path=BIKES)
        expected = {"Home & Garden": 3, "Sports": 1}
        everywhere, sports = ask(anyone, q="sofa"), ask(anyone, q="sofa", category="Sports")
        assert (everywhere["facets"], sports["facets"], len(sports["items"])) == (expected, expected, 1)
        assert ask(anyone, q="sofa", max_price=40, category="Sports")["facets"] == {"Home & Garden": 1}


def spots() -> bytes:
    """A photo of coloured spots, whose hash differs from that of any other photo."""
    colours = np.random.default_rng(5).integers(0, 255, (12, 12, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(colours).resize((240, 240), Image.Resampling.BICUBIC).save(stream, "JPEG")
    return stream.getvalue()


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
        with catalogue_transaction():
            twins = [factories.listing(alice, f"Garden gnome {number}") for number in range(2)]
        for twin in twins:
            factories.add_picture(twin, data)
        (item,) = ask(anyone, q="garden gnome")["items"]
        assert {item["listing"]["id"], *item["copies"]} == {twin.external_id for twin in twins}


class TestPersonalisation:
    @pytest.fixture
    def chairs(self, alice, encoder):
        """Thirty that full text ranks by their age, the wooden ones last."""
        with catalogue_transaction():
            metal = [
                factories.listing(alice, f"Chair in polished metal {number}", path=SEATS)
                for number in range(15)
            ]
            wood = [
                factories.listing(alice, f"Chair in walnut wood {number}", path=SEATS) for number in range(15)
            ]
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


class TestCost:
    def test_a_search_takes_few_database_queries_however_much_it_finds(
        self, bob, as_bob, catalogue, known, alice, django_assert_max_num_queries
    ):
        for listing in list(catalogue.values())[:4]:
            factories.event(bob, listing, "view")
        with catalogue_transaction():
            for number in range(30):
                factories.photo(factories.listing(alice, f"Sofa number {number}"))
        known(catalogue["blue"], words="sofa")
        ask(as_bob, q="sofa")
        with django_assert_max_num_queries(28):  # a slate and its impression in transactions of their own
            page = ask(as_bob, q="sofa under £110 near Leeds", limit=100, category="Home & Garden")
        assert page["degraded"] == []

    def test_a_search_without_results_takes_few_database_queries(
        self, anyone, catalogue, follow, django_assert_max_num_queries
    ):
        follow()
        ask(anyone, q="sofa")
        with django_assert_max_num_queries(40):
            assert ask(anyone, q="red sofa over £3000 near Leeds")["items"] == []
