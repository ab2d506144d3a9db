"""Search over the API: results for words and photos."""

from dataclasses import replace

import pytest
from django.utils import timezone

from listings import services
from tests import factories
from tests.recommendations.search.requests import BATH, SEARCH, ask, ids, names, upload


class TestByWordsAlone:
    def test_without_the_encoder_search_answers_by_full_text_and_is_degraded(self, anyone, catalogue, follow):
        follow()
        page = ask(anyone, q="sofa")
        assert set(names(page, catalogue)) == {"leather", "blue", "bed"}
        assert page["degraded"] == ["encoder"]
        assert (page["next_cursor"], page["next_offset"]) == (None, None)

    def test_before_an_encoder_is_chosen_search_answers_by_full_text_and_is_degraded(
        self, anyone, catalogue, encoder
    ):
        encoder.delete()
        page = ask(anyone, q="sofa")
        assert set(names(page, catalogue)) == {"leather", "blue", "bed"}
        assert page["degraded"] == ["catalogue"]

    def test_search_finds_a_listing_published_this_second(self, anyone, alice, catalogue, follow):
        follow()
        new = factories.listing(alice, "Corner sofa")
        assert new.external_id in ids(ask(anyone, q="sofa"))

    def test_search_does_not_find_a_sold_listing(self, anyone, catalogue, follow):
        follow()
        services.mark_sold(listing=catalogue["blue"], buyer=None, now=timezone.now())
        assert set(names(ask(anyone, q="sofa"), catalogue)) == {"leather", "bed"}

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

    def test_search_corrects_misspelt_words_and_shows_it_unless_switched_off(self, anyone, catalogue):
        mended = ask(anyone, q="leather sofla")
        assert (mended["words"], mended["mended"]) == (
            "leather sofa",
            {"sofla": "sofa"},
        )
        assert names(mended, catalogue)[0] == "leather"
        as_written = ask(anyone, q="leather sofla", mend="false")
        assert (as_written["words"], as_written["mended"], as_written["items"]) == ("leather sofla", {}, [])


class TestByVectors:
    def test_vectors_find_what_full_text_misses_when_it_is_near_enough(self, anyone, catalogue, known):
        known(catalogue["settee"], words="davenport")
        page = ask(anyone, q="davenport", mend="false")
        assert names(page, catalogue) == ["settee"]
        assert page["items"][0]["scores"] == {"words": None, "vectors": round(0.25 / 61, 6)}
        assert page["degraded"] == []

    def test_nonsense_finds_nothing_though_some_vector_is_always_nearest(
        self, anyone, catalogue, known, still_replica
    ):
        known(catalogue["settee"], words="asdkjh qwezxc")
        view = still_replica.snapshot
        strict = replace(view.comparison.blocks, least_likeness=1.01)
        still_replica.snapshot = replace(view, comparison=replace(view.comparison, blocks=strict))
        page = ask(anyone, q="asdkjh qwezxc")
        assert (page["items"], page["facets"]) == ([], {})
        assert page["hint"] == {"text": "Nothing for “asdkjh qwezxc”.", "without": []}

    def test_search_fuses_the_rankings_by_words_and_by_vectors(self, alice, anyone, catalogue, known):
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

    def test_filters_hold_for_listings_found_by_vectors(self, anyone, catalogue, known):
        known(catalogue["settee"], words="davenport")
        assert ask(anyone, q="davenport", mend="false", max_price=59)["items"] == []

    def test_while_encoders_are_switched_search_goes_without_vectors(
        self, anyone, catalogue, follow, known, still_replica
    ):
        known(catalogue["settee"], words="sofa")
        still_replica.snapshot = replace(still_replica.snapshot, encoder_version="the one before")
        page = ask(anyone, q="sofa")
        assert page["degraded"] == ["encoder"]
        assert "settee" not in names(page, catalogue)


class TestByPhoto:
    @pytest.fixture
    def lamp(self, alice, catalogue):
        """A lamp with a photo, and the bytes of that photo."""
        listing, data = (
            factories.listing(alice, "Brass lamp", path="Home & Garden / Lamps"),
            factories.picture(),
        )
        factories.add_picture(listing, data)
        return listing, data

    def test_search_by_photo_puts_the_listing_with_that_photo_first(self, anyone, lamp, known):
        listing, data = lamp
        known(listing, photo=data)
        page = anyone.post(SEARCH, {"photo": upload(data)}, format="multipart").json()
        assert ids(page) == [listing.external_id]
        assert page["degraded"] == []

    def test_search_by_photo_and_words_uses_both(self, anyone, lamp, catalogue, known):
        listing, data = lamp
        known(listing, photo=data, words="sofa")
        page = anyone.post(SEARCH, {"photo": upload(data), "words": "sofa"}, format="multipart").json()
        assert {listing.external_id, catalogue["blue"].external_id} <= set(ids(page))
        assert set(page["items"][0]["scores"]) == {"words", "vectors", "photo"}

    def test_without_the_encoder_a_photo_with_words_is_searched_by_the_words(
        self, anyone, lamp, catalogue, follow
    ):
        follow()
        page = anyone.post(SEARCH, {"photo": upload(lamp[1]), "q": "bike"}, format="multipart").json()
        assert (names(page, catalogue), page["degraded"]) == (["bike"], ["encoder"])

    @pytest.mark.parametrize("words", ["", "🛋️", "the and of"])
    def test_without_the_encoder_a_search_by_photo_alone_is_a_503(self, anyone, lamp, follow, words):
        follow()
        reply = anyone.post(SEARCH, {"photo": upload(lamp[1]), "q": words}, format="multipart")
        assert (reply.status_code, reply.headers["Retry-After"]) == (503, "2")

    def test_before_an_encoder_is_chosen_a_search_by_photo_is_a_503(self, anyone, lamp, encoder):
        encoder.delete()
        assert anyone.post(SEARCH, {"photo": upload(lamp[1])}, format="multipart").status_code == 503

    @pytest.mark.parametrize("data", [b"", b"no photo", factories.picture()[:300]])
    def test_search_refuses_a_broken_photo(self, anyone, catalogue, data):
        reply = anyone.post(SEARCH, {"photo": upload(data), "q": "sofa"}, format="multipart")
        assert reply.status_code == 400
        assert reply.json()["errors"][0]["field"] == "photo"


class TestUnderstanding:
    def test_search_turns_price_and_place_into_filters_and_shows_them(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £100 near Leeds")
        assert (page["words"], names(page, catalogue)) == ("sofa", ["leather"])
        price, place = page["understood"]
        assert price == {"text": "under £100", "filters": {"max_price": "100.00"}}
        assert place["text"] == "near Leeds"
        assert set(place["filters"]) == {"lat", "lon", "radius_km"}

    def test_understanding_of_a_search_can_be_switched_off(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £100 near Leeds", understand="false")
        assert (page["understood"], page["words"]) == ([], "sofa under £100 near Leeds")
        assert page["items"] == []  # "under" and "leeds" are in no listing, and "sofa" in most

    def test_a_price_filter_of_the_address_overrides_a_price_of_the_query(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £100", max_price=500)
        assert set(names(page, catalogue)) == {"leather", "blue", "bed"}
        assert page["understood"] == [{"text": "under £100", "filters": {}}]

    def test_a_place_of_the_address_overrides_a_place_of_the_query(self, anyone, catalogue):
        page = ask(anyone, q="sofa near Leeds", lat=BATH["latitude"], lon=BATH["longitude"], radius_km=20)
        assert names(page, catalogue) == ["bed"]

    def test_a_location_without_a_radius_is_no_filter(self, anyone, catalogue):
        here = {"lat": BATH["latitude"], "lon": BATH["longitude"]}
        assert names(ask(anyone, q="sofa near Leeds", **here), catalogue) == ["leather"]
        ask(anyone, status=400, q="", **here)

    def test_a_price_that_contradicts_the_address_is_dropped_and_the_rest_counts(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £50 near Leeds", min_price=60, radius_km=100, lat=53.8, lon=-1.55)
        assert set(names(page, catalogue)) == {"leather", "blue"}

    def test_a_price_alone_brings_the_listings_that_it_buys_newest_first(self, anyone, catalogue):
        page = ask(anyone, q="under £85")
        assert (page["words"], names(page, catalogue)) == ("", ["settee", "bed", "leather"])
        assert page["degraded"] == []
        assert page["facets"] == {"Home & Garden": 3}


class TestCost:
    def test_a_search_takes_few_database_queries_however_much_it_finds(
        self, bob, as_bob, catalogue, known, alice, django_assert_max_num_queries
    ):
        for listing in list(catalogue.values())[:4]:
            factories.event(bob, listing, "view")
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
