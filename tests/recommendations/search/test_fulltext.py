from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from listings import services
from listings.announcing import catalogue_transaction
from listings.categories.tree import NoSuchCategory
from listings.models import Actor, Listing
from recommendations.query_parsing import vocabulary, wording
from recommendations.query_parsing.operators import Operators
from recommendations.query_parsing.synonyms import Synonyms
from recommendations.retrieval.filters import Filters
from recommendations.search import fulltext
from tests import factories

ANY = Filters()
LEEDS = {"latitude": 53.796, "longitude": -1.548}
YORK = {"latitude": 53.958, "longitude": -1.083}  # 36 km from Leeds
HARMLESS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def find(words: str, filters: Filters = ANY, limit: int = 50, **options) -> list[int]:
    asked = wording.word(words, Operators(), vocabulary.vocabulary(), Synonyms())
    return fulltext.find(asked, filters, limit=limit, now=timezone.now(), **options).listing_ids


def publish(seller: Actor, title: str, **content) -> Listing:
    """A listing in a category whose name says nothing."""
    return factories.listing(seller, title, **({"path": "Home & Garden / Things"} | content))


def keys(*listings: Listing) -> list[int]:
    return [listing.pk for listing in listings]


@pytest.fixture
def sofa(alice):
    return publish(alice, "Leather sofa", description="Seats three.", price=80, **LEEDS)


@pytest.fixture
def table(alice):
    return publish(
        alice, "Oak table", path="Home & Garden / Tables", description="Goes well with a sofa.", **YORK
    )


class TestWords:
    def test_full_text_ranks_a_match_in_the_title_above_one_in_the_description(self, sofa, table):
        assert find("sofa") == keys(sofa, table)

    def test_full_text_matches_plural_and_singular_forms(self, sofa, alice):
        several = publish(alice, "Two sofas")
        assert set(find("sofas")) == set(find("sofa")) == set(keys(sofa, several))

    def test_listings_with_all_words_of_a_query_come_before_those_with_some(self, sofa, table, alice):
        both = publish(alice, "Table", description="Came with a leather sofa, long since gone.")
        assert set(find("sofa table")) == set(keys(table, both))
        assert find("leather sofa table")[0] == both.pk

    def test_a_rare_word_of_a_query_weighs_more_than_a_common_one(self, alice, now):
        with catalogue_transaction():
            chairs = [publish(alice, f"Chair {number}") for number in range(20)]
        rare = publish(alice, "Wishbone stool")
        vocabulary.learn(now=now)
        assert find("wishbone chair") == keys(rare), chairs
        assert find("wishbone chair nothing") == []

    @pytest.mark.parametrize("half", ["so", "sof", "leath", "leather sof", "leath sof"])
    def test_half_typed_search_words_match_from_the_third_letter_on(self, sofa, half):
        assert find(half) == ([] if half == "so" else keys(sofa))

    def test_a_stemmed_search_word_matches_while_half_typed(self, alice):
        machine = publish(alice, "Washing machine")
        assert find("washin") == find("washin mach") == keys(machine)

    def test_full_text_ranks_exact_words_above_words_that_begin_with_them(self, alice):
        carpet, car = publish(alice, "Carpet"), publish(alice, "Toy car")
        assert find("car") == keys(car, carpet)

    @pytest.mark.parametrize(
        ("title", "query"),
        [
            ("iPhone 12 Pro", "iphone 12"),
            ("iPhone 12 Pro", "iphone12"),
            ("iPhone12", "iphone 12"),
            ("PS5 console", "ps5"),
            ("PS5 console", "PS 5"),
            ("Nvidia RTX3080", "rtx3080"),
            ("Nvidia RTX 3080", "rtx3080"),
            ("Fridge/freezer", "freezer"),
            ("Good condition.Collection only", "collection"),
            ("ETA-U90UWE charger", "eta-u90uwe"),
            ("Men’s bike", "mens bike"),
            ("★Café★ table", "CAFÉ"),
        ],
    )
    def test_full_text_finds_what_sellers_write_as_buyers_write_it(self, alice, title, query):
        listing = publish(alice, title)
        assert find(query) == keys(listing)

    def test_a_number_in_a_query_does_not_match_longer_numbers(self, alice):
        publish(alice, "iPhone 128 GB")
        assert find("12") == []

    def test_full_text_puts_newer_listings_first_among_equal_matches(self, alice, ago):
        with catalogue_transaction():
            listings = [publish(alice, "Lamp", created_at=ago(days=day)) for day in (3, 1, 2)]
        assert find("lamp") == keys(listings[1], listings[2], listings[0])

    def test_full_text_returns_at_most_the_limit_and_no_listing_twice(self, alice):
        with catalogue_transaction():
            for number in range(6):
                publish(alice, f"Blue lamp {number}")
                publish(alice, f"Lamp {number}")
        assert len(find("blue lamp", limit=4)) == len(set(find("lamp", limit=8))) - 4 == 4
        assert find("lamp", limit=0) == []


@pytest.mark.django_db
class TestBadWords:
    @pytest.mark.parametrize(
        "words",
        [
            "",
            " ",
            "the and of",
            "a & | ! <-> :* ( ) ' ` \\",
            "\x00",
            "🛋️ 😀",
            "''''",
            ":*",
            "\ud800",
            "½²",
            "%s {}",
        ],
    )
    def test_full_text_finds_nothing_without_search_words(self, sofa, words):
        assert find(words) == []

    def test_operators_and_emoji_in_a_query_do_not_hide_its_words(self, sofa):
        assert find("!leather & | 'sofa':* 🛋️ \\ \x00") == keys(sofa)

    def test_only_the_first_words_of_a_very_long_query_are_searched(self, sofa):
        assert find("leather sofa " + "x" * 10_000) == []
        assert find("leather sofa " * 800) == keys(sofa)
        assert find(" ".join(f"leather{number}" for number in range(2000))) == []

    @HARMLESS
    @given(st.text(max_size=60))
    def test_full_text_search_accepts_any_text(self, sofa, words):
        assert set(find(words)) <= {sofa.pk}

    @HARMLESS
    @given(st.text(alphabet="ab12 '\\:*&|!<->()½é", max_size=40))
    def test_full_text_search_accepts_any_sequence_of_operators(self, sofa, words):
        find(words)


class TestFilters:
    def test_full_text_finds_only_active_listings(self, sofa, table):
        services.reserve(listing=sofa)
        assert find("sofa") == keys(table)

    def test_a_category_filter_of_full_text_includes_subcategories(self, sofa, table):
        assert find("sofa", Filters(category="Home & Garden")) == keys(sofa, table)
        assert find("sofa", Filters(category="Home & Garden / Tables")) == keys(table)

    def test_full_text_search_refuses_an_unknown_category(self, sofa):
        with pytest.raises(NoSuchCategory):
            find("sofa", Filters(category="Nothing"))

    def test_price_filters_of_full_text_include_their_bounds(self, sofa, table):
        assert find("sofa", Filters(max_price=Decimal(50))) == keys(table)
        assert find("sofa", Filters(min_price=Decimal(80))) == keys(sofa)
        assert find("sofa", Filters(min_price=Decimal("50.01"), max_price=Decimal("79.99"))) == []

    def test_full_text_search_filters_by_condition(self, sofa, alice):
        new = publish(alice, "Sofa", condition="new")
        assert find("sofa", Filters(condition="new")) == keys(new)

    def test_a_radius_excludes_listings_that_are_farther_or_without_a_place(self, sofa, table, alice):
        publish(alice, "Sofa in the sky")
        near = {"lat": LEEDS["latitude"], "lon": LEEDS["longitude"]}
        assert find("sofa", Filters(**near, radius_km=30)) == keys(sofa)
        assert find("sofa", Filters(**near, radius_km=40)) == keys(sofa, table)
        assert find("sofa", Filters(**near, radius_km=20_040)) == keys(sofa, table)

    @pytest.mark.parametrize(
        ("here", "there", "radius_km"),
        [((0, 179.9), (0, -179.9), 30), ((89.9, 0), (89.9, 180), 30), ((-89.95, 10), (-89.95, -90), 10)],
    )
    def test_a_radius_holds_at_the_date_line_and_at_the_poles(self, alice, here, there, radius_km):
        listing = publish(alice, "Sledge", latitude=there[0], longitude=there[1])
        assert find("sledge", Filters(lat=here[0], lon=here[1], radius_km=radius_km)) == keys(listing)
        assert find("sledge", Filters(lat=here[0], lon=here[1], radius_km=radius_km / 4)) == []

    def test_full_text_leaves_out_listings_of_the_excluded_seller(self, sofa, alice, bob):
        other = publish(bob, "Sofa")
        assert find("sofa", excluded_seller=alice.pk) == keys(other)

    def test_full_text_applies_filters_before_the_limit(self, sofa, alice):
        with catalogue_transaction():
            for _ in range(5):
                publish(alice, "Leather sofa", price=500)
        assert find("leather sofa", Filters(max_price=Decimal(100)), limit=1) == keys(sofa)


class TestSearchWords:
    def test_an_edited_listing_is_found_by_its_new_words_alone(self, sofa):
        services.edit_listing(listing=sofa, title="Bench", description="")
        assert (find("sofa"), find("bench")) == ([], keys(sofa))

    @pytest.mark.parametrize(
        "description",
        ["sofa " * 20_000, " ".join(f"word{n}" for n in range(20_000)), "x" * 100_000, "沙发" * 50_000],
        ids=["one word", "many words", "a long word", "no blanks"],
    )
    def test_a_description_of_any_length_can_be_stored_and_searched(self, alice, description):
        listing = publish(alice, "Bench", description=description)
        assert find("bench") == keys(listing)

    def test_ordinary_reads_of_a_listing_do_not_load_its_search_words(self, sofa):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            Listing.objects.get(pk=sofa.pk)
        assert "search_words" not in queries.captured_queries[0]["sql"]

    def test_full_text_search_uses_its_index(self, sofa):
        with CaptureQueriesContext(connection) as queries:
            find("sofa")
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("DROP INDEX listing_active_newest, listing_active_category")
            search = next(q["sql"] for q in queries.captured_queries if "search_words" in q["sql"])
            cursor.execute("EXPLAIN " + search)
            assert "listing_active_words" in "\n".join(line for (line,) in cursor.fetchall())
