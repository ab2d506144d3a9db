"""Words of a search and those of listings, over the API: synonyms, compounds, operators, spelling."""

from datetime import timedelta

import pytest
from django.utils import timezone

from recommendations.models.boosts import SynonymGroup
from recommendations.query_parsing import synonyms, vocabulary
from tests import factories
from tests.recommendations.search.requests import ask, ids


@pytest.fixture(autouse=True)
def without_encode_worker(encoder):
    """There is an encoder, and nothing is embedded."""


@pytest.fixture
def titled(alice, now):
    """`titled(*titles)` publishes listings with these titles, and learns their words."""

    def publish(*titles: str, **content) -> list[str]:
        made = [factories.listing(alice, title, **content).external_id for title in titles]
        vocabulary.learn(now=timezone.now())
        return made

    return publish


class TestOtherWords:
    def test_a_synonym_that_staff_added_finds(self, anyone, titled):
        [pram] = titled("Pram in blue")
        SynonymGroup.objects.create(words="perambulator, pram")
        assert ids(ask(anyone, q="perambulator")) == [pram]

    def test_synonyms_that_ship_find(self, anyone, titled):
        synonyms.load_shipped()
        [pushchair] = titled("Silver pushchair")
        assert ids(ask(anyone, q="pram")) == [pushchair]

    @pytest.mark.parametrize(
        ("title", "query"),
        [
            ("Grey sofa bed", "sofabed"),
            ("Highchair in white", "high chair"),
            ("Apple i Phone", "iphone"),
            ("Xbox bundle", "x box"),
            ("Oak shelves", "shelf"),
        ],
    )
    def test_compounds_and_odd_plurals_find(self, anyone, titled, title, query):
        [listing, _] = titled(title, "Sofa, bed, box, shelf, phone, chair and x i high")
        assert listing in ids(ask(anyone, q=query))

    def test_a_listing_is_found_by_the_name_of_its_category(self, anyone, titled):
        [listing] = titled("12 place setting", path="Appliances / Dishwashers")
        assert ids(ask(anyone, q="dishwashers")) == [listing]


class TestSpelling:
    def test_a_word_of_a_listing_is_never_replaced_from_the_second_it_is_published(
        self, anyone, titled, alice
    ):
        titled(*["Gear shifter"] * 30)
        assert ask(anyone, q="flour sifter", mend="true")["mended"] == {}
        sifter = factories.listing(alice, "Tala flour sifter").external_id
        page = ask(anyone, q="sifter")
        assert (ids(page)[0], page["mended"], page["offered"]) == (sifter, {}, {"sifter": "shifter"})

    def test_a_word_of_a_description_alone_is_not_replaced(self, anyone, titled, alice):
        titled(*["Bedford van"] * 5)
        listing = factories.listing(alice, "Lamp", description="Fetch it in Bradford.").external_id
        page = ask(anyone, q="bradford")
        assert (ids(page), page["mended"]) == ([listing], {})

    def test_a_correction_that_finds_nothing_is_only_offered(self, anyone, titled):
        titled("Chicken feed", "Cool box", "Cool bag")
        page = ask(anyone, q="chicken coop")
        assert (page["words"], page["mended"], page["offered"]) == ("chicken coop", {}, {"coop": "cool"})


class TestFloor:
    def test_what_no_word_supports_is_not_shown(self, anyone, titled):
        titled("First aid kit", "Football kit", "Toner drum", "Snare drum")
        page = ask(anyone, q="drum kit", mend="false")
        assert page["items"] == []
        assert page["hint"]["text"].startswith("Nothing for “drum kit”")
        assert {option["text"] for option in page["hint"]["without"]} == {"drum", "kit"}

    def test_the_nearest_category_is_named(self, anyone, titled):
        titled("First aid kit")
        factories.category("Music / Drum Kits")
        assert ask(anyone, q="drum kit", mend="false")["hint"]["category"] == "Music / Drum Kits"

    def test_a_model_is_met_before_its_look_alikes(self, anyone, titled):
        s9, s10 = titled("Samsung Galaxy S9 phone", "Samsung Galaxy S10 phone")
        found = ids(ask(anyone, q="samsung galaxy s10"))
        assert found[0] == s10
        assert found in ([s10], [s10, s9])


class TestOperators:
    @pytest.fixture
    def tables(self, titled) -> dict[str, str]:
        titles = ("Coffee table in oak", "Coffee table in glass", "Table for coffee", "Oak table")
        return dict(zip(titled(*titles), titles, strict=True))

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("coffee table -glass", {"Coffee table in oak", "Table for coffee"}),
            ('"coffee table"', {"Coffee table in oak", "Coffee table in glass"}),
            ('"table oak"', set()),
            ("coffee table -glass -oak", {"Table for coffee"}),
            ('"oak table" OR glass', {"Oak table", "Coffee table in glass"}),
        ],
    )
    def test_operators_keep_what_they_ask_for(self, anyone, tables, query, expected):
        assert {tables[name] for name in ids(ask(anyone, q=query, mend="false"))} == expected

    def test_operators_are_words_where_understanding_is_off(self, anyone, tables):
        page = ask(anyone, q="coffee table -glass", understand="false")
        assert "Coffee table in glass" in {tables[name] for name in ids(page)}

    def test_a_synonym_takes_effect_within_seconds(self, tables, anyone, now):
        SynonymGroup.objects.create(words="table, desk")
        assert synonyms.synonyms(now + timedelta(seconds=2)).find(["desk"]) == (("table",),)
