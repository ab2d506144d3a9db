"""Search over the API: words, photos, filters, taste, and what is said of an empty result."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image

from listings import services
from listings.announcing import announcing
from listings.models import Place
from recommendations import search, spelling
from recommendations.encoded import Encoded
from recommendations.search_serializers import Search
from tests import factories

SEARCH = "/api/v1/search/"
LEEDS = {"latitude": 53.8, "longitude": -1.55}
YORK = {"latitude": 53.96, "longitude": -1.08}
BATH = {"latitude": 51.38, "longitude": -2.36}
BIKES = "Sports / Bicycles"


@pytest.fixture(autouse=True)
def impatient(settings, encoder):
    """No worker runs here: who asks for what is not known finds that out at once."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"encode_timeout_s": 0.02})


@pytest.fixture
def catalogue(alice, now, ago):
    """By name: sofas in three places, a bicycle, and words that every seller uses."""
    made = [
        ("leather", factories.listing(alice, "Leather sofa", price=80, created_at=ago(hours=5), **LEEDS)),
        ("blue", factories.listing(alice, "Blue sofa", price=120, created_at=ago(hours=4), **YORK)),
        ("bed", factories.listing(alice, "Sofa bed", price=30, created_at=ago(hours=3), **BATH)),
        ("settee", factories.listing(alice, "Settee in velvet", price=60, created_at=ago(hours=2))),
        ("bike", factories.listing(alice, "Mountain bike", path=BIKES, price=90, created_at=ago(hours=1))),
    ]
    Place.objects.create(
        name="Leeds",
        county="West Yorkshire",
        country="GB",
        latitude=53.8,
        longitude=-1.55,
        population=536_280,
    )
    spelling.learn(now=now)
    return dict(made)


@pytest.fixture
def known(encoder, follow):
    """`known(listing, words=...)`: the encoder has answered this query with that listing's own words."""

    def keep(like, *, version: str | None = None, photo: bytes | None = None, words: str = "") -> None:
        view = follow()
        vector = view.vectors(view.rows_of(np.array([like.pk])))[0].astype(np.float32)
        blocks = view.comparison.blocks
        kept = np.zeros_like(vector)
        for name, block in zip(("look", "meaning", "words"), blocks.slices, strict=True):
            if (name == "words" and words) or (name != "words" and photo is not None):
                kept[block] = vector[block]
        look = kept[: blocks.slices[2].start] if photo is not None else np.empty(0, np.float32)
        asked = {"words": words, "photo": photo and factories.as_received(photo)}
        factories.known_answer(Encoded(version or encoder.version, kept, photo=look), **asked)

    return keep


def ask(client, status: int = 200, **query) -> dict:
    response = client.get(SEARCH, query)
    assert response.status_code == status, response.content
    return response.json()


def ids(page: dict) -> list[str]:
    return [item["listing"]["id"] for item in page["items"]]


def names(page: dict, catalogue: dict) -> list[str]:
    by_id = {listing.external_id: name for name, listing in catalogue.items()}
    return [by_id[external_id] for external_id in ids(page)]


def upload(data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("photo.jpg", data, "image/jpeg")


class TestByWordsAlone:
    def test_without_the_encoder_full_text_answers_and_says_so(self, anyone, catalogue, follow):
        follow()
        page = ask(anyone, q="sofa")
        assert set(names(page, catalogue)) == {"leather", "blue", "bed"}
        assert page["degraded"] == ["encoder"]
        assert (page["next_cursor"], page["next_offset"]) == (None, None)

    def test_before_any_encoder_was_chosen_the_database_answers(self, anyone, catalogue, encoder):
        encoder.delete()
        page = ask(anyone, q="sofa")
        assert set(names(page, catalogue)) == {"leather", "blue", "bed"}
        assert page["degraded"] == ["catalogue"]

    def test_a_listing_of_this_second_is_found(self, anyone, alice, catalogue, follow):
        follow()
        new = factories.listing(alice, "Corner sofa")
        assert new.external_id in ids(ask(anyone, q="sofa"))

    def test_a_sold_one_is_not(self, anyone, catalogue, follow):
        follow()
        services.mark_sold(listing=catalogue["blue"], buyer=None, now=timezone.now())
        assert set(names(ask(anyone, q="sofa"), catalogue)) == {"leather", "bed"}

    def test_matches_are_marked(self, anyone, alice, catalogue):
        factories.listing(alice, "Lamp <b>", description="Stands beside any lamp & sofa.")
        item = ask(anyone, q="lamp")["items"][0]
        assert item["highlight"] == {
            "title": "<mark>Lamp</mark> &lt;b&gt;",
            "description": "Stands beside any <mark>lamp</mark> &amp; sofa.",
        }

    def test_scores_are_what_each_ranking_adds(self, anyone, catalogue, follow):
        follow()
        first, second, *_ = ask(anyone, q="sofa")["items"]
        assert first["scores"] == {"words": round(1 / 61, 6)}
        assert second["score"] == second["scores"]["words"] == round(1 / 62, 6)

    def test_misspelt_words_are_mended_and_shown_unless_told_otherwise(self, anyone, catalogue):
        mended = ask(anyone, q="leather sofla")
        assert (mended["words"], mended["mended"]) == (
            "leather sofa",
            {"sofla": "sofa"},
        )
        assert names(mended, catalogue)[0] == "leather"
        as_written = ask(anyone, q="leather sofla", mend="false")
        assert (as_written["words"], as_written["mended"], as_written["items"]) == ("leather sofla", {}, [])


class TestByVectors:
    def test_what_full_text_misses_is_found_when_it_is_near_enough(self, anyone, catalogue, known):
        known(catalogue["settee"], words="davenport")
        page = ask(anyone, q="davenport", mend="false")
        assert names(page, catalogue) == ["settee"]
        assert page["items"][0]["scores"] == {"words": None, "vectors": round(0.25 / 61, 6)}
        assert page["degraded"] == []

    def test_nonsense_finds_nothing_though_something_is_always_nearest(
        self, anyone, catalogue, known, still_replica
    ):
        known(catalogue["settee"], words="asdkjh qwezxc")
        view = still_replica.view
        strict = replace(view.comparison.blocks, least_likeness=1.01)
        still_replica.view = replace(view, comparison=replace(view.comparison, blocks=strict))
        page = ask(anyone, q="asdkjh qwezxc")
        assert (page["items"], page["facets"]) == ([], {})
        assert page["hint"] == {"text": "Nothing for “asdkjh qwezxc”.", "without": []}

    def test_both_rankings_together_decide(self, alice, anyone, catalogue, known):
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

    def test_filters_hold_for_vectors_too(self, anyone, catalogue, known):
        known(catalogue["settee"], words="davenport")
        assert ask(anyone, q="davenport", mend="false", max_price=59)["items"] == []

    def test_while_encoders_are_switched_it_does_without(
        self, anyone, catalogue, follow, known, still_replica
    ):
        known(catalogue["settee"], words="sofa")
        still_replica.view = replace(still_replica.view, encoder_version="the one before")
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

    def test_the_listing_that_shows_it_comes_first(self, anyone, lamp, known):
        listing, data = lamp
        known(listing, photo=data)
        page = anyone.post(SEARCH, {"photo": upload(data)}, format="multipart").json()
        assert ids(page) == [listing.external_id]
        assert page["degraded"] == []

    def test_words_join_the_photo(self, anyone, lamp, catalogue, known):
        listing, data = lamp
        known(listing, photo=data, words="sofa")
        page = anyone.post(SEARCH, {"photo": upload(data), "words": "sofa"}, format="multipart").json()
        assert {listing.external_id, catalogue["blue"].external_id} <= set(ids(page))
        assert set(page["items"][0]["scores"]) == {"words", "vectors", "photo"}

    def test_without_the_encoder_words_answer_alone(self, anyone, lamp, catalogue, follow):
        follow()
        page = anyone.post(SEARCH, {"photo": upload(lamp[1]), "q": "bike"}, format="multipart").json()
        assert (names(page, catalogue), page["degraded"]) == (["bike"], ["encoder"])

    @pytest.mark.parametrize("words", ["", "🛋️", "the and of"])
    def test_and_a_photo_alone_has_to_be_sent_again(self, anyone, lamp, follow, words):
        follow()
        reply = anyone.post(SEARCH, {"photo": upload(lamp[1]), "q": words}, format="multipart")
        assert (reply.status_code, reply.headers["Retry-After"]) == (503, "2")

    def test_so_it_is_before_an_encoder_was_chosen(self, anyone, lamp, encoder):
        encoder.delete()
        assert anyone.post(SEARCH, {"photo": upload(lamp[1])}, format="multipart").status_code == 503

    @pytest.mark.parametrize("data", [b"", b"no photo", factories.picture()[:300]])
    def test_a_broken_one_is_refused(self, anyone, catalogue, data):
        reply = anyone.post(SEARCH, {"photo": upload(data), "q": "sofa"}, format="multipart")
        assert reply.status_code == 400
        assert reply.json()["errors"][0]["field"] == "photo"


class TestUnderstanding:
    def test_price_and_place_become_filters_and_are_shown(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £100 near Leeds")
        assert (page["words"], names(page, catalogue)) == ("sofa", ["leather"])
        price, place = page["understood"]
        assert price == {"text": "under £100", "filters": {"max_price": "100.00"}}
        assert place["text"] == "near Leeds"
        assert set(place["filters"]) == {"lat", "lon", "radius_km"}

    def test_it_can_be_switched_off(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £100 near Leeds", understand="false")
        assert (page["understood"], page["words"]) == ([], "sofa under £100 near Leeds")
        assert page["items"] == []  # "under" and "leeds" are in no listing, and "sofa" in most

    def test_the_same_filter_in_the_address_goes_before_it(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £100", max_price=500)
        assert set(names(page, catalogue)) == {"leather", "blue", "bed"}
        assert page["understood"] == [{"text": "under £100", "filters": {}}]

    def test_so_does_a_place(self, anyone, catalogue):
        page = ask(anyone, q="sofa near Leeds", lat=BATH["latitude"], lon=BATH["longitude"], radius_km=20)
        assert names(page, catalogue) == ["bed"]

    def test_where_somebody_is_keeps_nothing_out(self, anyone, catalogue):
        here = {"lat": BATH["latitude"], "lon": BATH["longitude"]}
        assert names(ask(anyone, q="sofa near Leeds", **here), catalogue) == ["leather"]
        ask(anyone, status=400, q="", **here)

    def test_what_contradicts_the_address_is_left_out_and_the_rest_counts(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £50 near Leeds", min_price=60, radius_km=100, lat=53.8, lon=-1.55)
        assert set(names(page, catalogue)) == {"leather", "blue"}

    def test_a_price_alone_brings_what_it_buys_newest_first(self, anyone, catalogue):
        page = ask(anyone, q="under £85")
        assert (page["words"], names(page, catalogue)) == ("", ["settee", "bed", "leather"])
        assert page["degraded"] == []
        assert page["facets"] == {"Home & Garden": 3}


class TestFilters:
    def test_filters_alone_bring_the_newest(self, anyone, catalogue):
        page = ask(anyone, category="Home & Garden", max_price=100)
        assert names(page, catalogue) == ["settee", "bed", "leather"]

    def test_nothing_at_all_is_refused(self, anyone, catalogue):
        for query in ({}, {"q": ""}, {"q": "  "}, {"q": " , "}):
            assert ask(anyone, status=400, **query)["detail"].startswith("Send words")

    def test_all_of_them_are_exact(self, anyone, alice, catalogue, follow):
        follow()
        factories.listing(alice, "Sofa like new", price=10, condition="like_new")
        assert len(ask(anyone, q="sofa", condition="like_new")["items"]) == 1
        assert names(ask(anyone, q="sofa", min_price="80.00", max_price=80), catalogue) == ["leather"]
        assert ask(anyone, q="sofa", category="Sports")["items"] == []

    def test_an_unknown_category_is_refused(self, anyone, catalogue):
        assert ask(anyone, status=400, q="sofa", category="Nowhere")["errors"][0]["field"] == "category"

    def test_facets_count_root_categories_whatever_category_was_asked_for(self, anyone, alice, catalogue):
        factories.listing(alice, "Sofa rack for bicycles", path=BIKES)
        expected = {"Home & Garden": 3, "Sports": 1}
        everywhere, sports = ask(anyone, q="sofa"), ask(anyone, q="sofa", category="Sports")
        assert (everywhere["facets"], sports["facets"], len(sports["items"])) == (expected, expected, 1)
        assert ask(anyone, q="sofa", max_price=40, category="Sports")["facets"] == {"Home & Garden": 1}


class TestEmptyResults:
    def test_it_says_which_part_of_the_query_leaves_nothing(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £5 near Leeds")
        assert (page["items"], page["facets"]) == ([], {})
        assert page["hint"] == {
            "text": "Nothing for “sofa” under £5 near Leeds; 1 without “under £5”.",
            "without": [{"text": "under £5", "count": 1}],
        }

    def test_when_no_part_alone_is_to_blame_it_says_so_of_all(self, anyone, catalogue):
        factories.listing(catalogue["bed"].seller, "Sofa cover", price=400)
        page = ask(anyone, q="cover under £5 near Leeds")
        assert page["hint"]["without"] == [{"text": "under £5 near Leeds", "count": 1}]

    def test_it_promises_nothing_that_is_not_there(self, anyone, catalogue):
        page = ask(anyone, q="xylophone under £5", mend="false")
        assert page["hint"] == {"text": "Nothing for “xylophone” under £5.", "without": []}

    def test_a_filter_of_the_address_stays_when_it_is_counted(self, anyone, catalogue):
        page = ask(anyone, q="sofa under £5", category="Sports")
        assert page["hint"]["without"] == []

    @pytest.mark.parametrize("words", ["the and of", "🛋️🔥", "!!! & | <-> :*", "' -- ()"])
    def test_words_that_say_nothing_find_nothing(self, anyone, catalogue, words):
        page = ask(anyone, q=words)
        assert (page["items"], page["degraded"]) == ([], [])
        assert page["hint"]["text"] == "These words say nothing that could be looked for."


class TestPages:
    @pytest.fixture
    def many(self, alice, encoder):
        with announcing():
            return [factories.listing(alice, f"Oak chair {number}") for number in range(25)]

    def test_they_follow_each_other_without_gap_or_repeat(self, anyone, many):
        whole = ids(ask(anyone, q="oak chair", limit=100))
        assert len(whole) == 25
        pages, offset = [], 0
        while offset is not None:
            page = ask(anyone, q="oak chair", limit=10, offset=offset)
            pages, offset = pages + ids(page), page["next_offset"]
        assert pages == whole

    def test_none_leads_further_than_one_may_ask(self, anyone, many, monkeypatch):
        assert Search().fields["offset"].max_value == search.FURTHEST
        monkeypatch.setattr(search, "FURTHEST", 10)
        assert ask(anyone, q="oak chair", limit=10)["next_offset"] == 10
        assert ask(anyone, q="oak chair", limit=10, offset=10)["next_offset"] is None
        assert ask(anyone, q="oak chair", limit=11)["next_offset"] is None

    def test_beyond_the_end_there_is_nothing_and_no_complaint(self, anyone, many):
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
    def test_other_pages_are_refused(self, anyone, many, query):
        ask(anyone, status=400, q="oak chair", **query)

    def test_the_same_photo_is_shown_once(self, anyone, alice, catalogue):
        data = spots()
        twins = [factories.listing(alice, f"Garden gnome {number}") for number in range(2)]
        for twin in twins:
            factories.add_picture(twin, data)
        (item,) = ask(anyone, q="garden gnome")["items"]
        assert {item["listing"]["id"], *item["copies"]} == {twin.external_id for twin in twins}


def spots() -> bytes:
    """A photo of coloured spots, whose hash tells it from any other."""
    colours = np.random.default_rng(5).integers(0, 255, (12, 12, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(colours).resize((240, 240), Image.Resampling.BICUBIC).save(stream, "JPEG")
    return stream.getvalue()


class TestTaste:
    @pytest.fixture
    def chairs(self, alice, encoder):
        """Thirty that full text ranks by their age, the wooden ones last."""
        with announcing():
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

    def test_it_brings_nearer_what_bob_likes(self, anyone, as_bob, chairs, liked):
        his, everyones = ask(as_bob, q="chair", limit=30), ask(anyone, q="chair", limit=30)
        assert self.share(his, chairs[1]) > self.share(everyones, chairs[1])
        assert set(ids(his)) == set(ids(everyones))
        assert "taste" in his["items"][0]["scores"]
        assert "taste" not in everyones["items"][0]["scores"]

    def test_it_can_be_switched_off(self, anyone, as_bob, chairs, liked):
        plain = ask(as_bob, q="chair", personalised="false", limit=30)
        assert ids(plain) == ids(ask(anyone, q="chair", limit=30))

    def test_it_brings_in_nothing_that_was_not_asked_for(self, as_bob, catalogue, chairs, liked):
        assert set(names(ask(as_bob, q="sofa"), catalogue)) == {"leather", "blue", "bed"}

    def test_what_he_looked_at_is_still_found(self, as_bob, chairs, liked):
        assert chairs[1][0].external_id in ids(ask(as_bob, q="chair", limit=30))

    def test_what_he_hid_or_reported_is_not_with_or_without_taste(self, bob, as_bob, catalogue, follow):
        factories.event(bob, catalogue["blue"], "hide")
        factories.event(bob, catalogue["bed"], "report")
        for more in ({}, {"personalised": "false"}):
            page = ask(as_bob, q="sofa", **more)
            assert (names(page, catalogue), page["facets"]) == (["leather"], {"Home & Garden": 1})
        assert set(names(ask(as_bob, category="Home & Garden"), catalogue)) == {"leather", "settee"}

    def test_alice_does_not_find_what_she_sells(self, as_alice, bob, catalogue):
        his = factories.listing(bob, "Sofa of Bob")
        page = ask(as_alice, q="sofa")
        assert (ids(page), page["facets"]) == ([his.external_id], {"Home & Garden": 1})

    def test_a_service_asks_for_bob_and_charlie_may_not(self, as_service, as_charlie, chairs, liked, as_bob):
        assert ids(ask(as_service, q="chair", actor="bob")) == ids(ask(as_bob, q="chair"))
        ask(as_charlie, status=403, q="chair", actor="bob")

    def test_whoever_is_not_known_gets_what_everybody_gets(self, as_service, anyone, catalogue):
        assert ids(ask(as_service, q="sofa", actor="nobody-yet")) == ids(ask(anyone, q="sofa"))

    def test_a_listing_that_is_not_embedded_yet_is_neither_liked_nor_disliked(
        self, as_bob, alice, chairs, liked
    ):
        new = factories.listing(alice, "Chair chair chair")
        assert new.external_id in ids(ask(as_bob, q="chair", limit=30))


class TestSending:
    def test_json_takes_the_same(self, anyone, catalogue):
        for body in ({"q": "sofa", "max_price": 100}, {"words": "sofa under £100", "limit": 5}):
            page = anyone.post(SEARCH, body).json()
            assert set(names(page, catalogue)) == {"leather", "bed"}

    def test_a_visitor_without_a_cookie_may_send_it(self, client, catalogue):
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
    def test_what_makes_no_sense_is_refused(self, anyone, catalogue, body):
        reply = anyone.post(SEARCH, json.dumps(body), content_type="application/json")
        assert (reply.status_code, reply.headers["Content-Type"]) == (400, "application/problem+json")

    @pytest.mark.parametrize("words", ["a" * 10_000, "sofa " * 3000])
    def test_a_query_of_ten_thousand_characters_is_refused(self, anyone, catalogue, words):
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
    def test_odd_words_never_break_it(self, anyone, catalogue, follow, words):
        follow()
        for more in ({}, {"understand": "false"}):
            assert anyone.get(SEARCH, {"q": words, **more}).status_code in (200, 400)


class TestCost:
    def test_a_search_takes_few_queries_however_much_it_finds(
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

    def test_so_does_an_empty_result(self, anyone, catalogue, follow, django_assert_max_num_queries):
        follow()
        ask(anyone, q="sofa")
        with django_assert_max_num_queries(40):
            assert ask(anyone, q="red sofa over £3000 near Leeds")["items"] == []
