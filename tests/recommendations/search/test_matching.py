"""Retrieval for search: by words, vectors, photos and filters, over the API."""

from dataclasses import replace

import pytest
from django.utils import timezone

from listings import services
from tests import factories
from tests.recommendations.search.requests import SEARCH, ask, ids, names, upload


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

    @pytest.mark.parametrize("words", ["the and of", "🛋️🔥", "!!! & | <-> :*", "' -- ()"])
    def test_a_search_of_stop_words_alone_finds_nothing_and_says_so(self, anyone, catalogue, words):
        page = ask(anyone, q=words)
        assert (page["items"], page["degraded"]) == ([], [])
        assert page["hint"]["text"] == "These words say nothing that could be looked for."


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
        snapshot = still_replica.snapshot
        strict = replace(snapshot.comparison.blocks, least_likeness=1.01)
        still_replica.snapshot = replace(snapshot, comparison=replace(snapshot.comparison, blocks=strict))
        page = ask(anyone, q="asdkjh qwezxc")
        assert (page["items"], page["facets"]) == ([], {})
        assert page["hint"] == {"text": "Nothing for “asdkjh qwezxc”.", "without": [], "category": None}

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


class TestByFilters:
    def test_search_by_filters_alone_brings_the_newest_first(self, anyone, catalogue):
        page = ask(anyone, category="Home & Garden", max_price=100)
        assert names(page, catalogue) == ["settee", "bed", "leather"]

    def test_search_filters_are_exact(self, anyone, alice, catalogue, follow):
        follow()
        factories.listing(alice, "Sofa like new", price=10, condition="like_new")
        assert len(ask(anyone, q="sofa", condition="like_new")["items"]) == 1
        assert names(ask(anyone, q="sofa", min_price="80.00", max_price=80), catalogue) == ["leather"]
        assert ask(anyone, q="sofa", category="Sports")["items"] == []

    def test_search_refuses_an_unknown_category(self, anyone, catalogue):
        assert ask(anyone, status=400, q="sofa", category="Nowhere")["errors"][0]["field"] == "category"
