from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from listings.models import Place
from recommendations.retrieval.filters import Filters
from recommendations.search.places import COUNTY_RADIUS_KM, TOWN_RADIUS_KM
from recommendations.search.understanding import understand

TOWNS = (
    ("Leeds", "West Yorkshire", 53.8, -1.55, 536_280),
    ("York", "North Yorkshire", 53.96, -1.08, 156_135),
    ("Bath", "Somerset", 51.38, -2.36, 101_557),
    ("Box", "", 51.42, -2.25, 0),
    ("Good", "", 50.0, -2.0, 600),
    ("Sale", "Manchester", 53.42, -2.32, 62_550),
    ("St Albans", "Hertfordshire", 51.75, -0.33, 84_561),
    ("Newcastle", "", 54.21, -5.89, 7_444),
    ("Newcastle upon Tyne", "Tyne and Wear", 54.97, -1.61, 192_382),
    ("Stoke-on-Trent", "", 53.0, -2.19, 260_419),
    ("Kent", "Kent", 51.28, 0.77, None),
)


@pytest.fixture
def gazetteer(db):
    Place.objects.bulk_create(
        Place(name=name, county=county, country="GB", latitude=north, longitude=east, population=population)
        for name, county, north, east, population in TOWNS
    )


@pytest.fixture
def currency(settings):
    """`currency("EUR")` sets the currency of the installation."""

    def use(code: str) -> None:
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"currency": code})

    return use


def prices(query: str) -> tuple[str, int | float | None, int | float | None]:
    parsed = understand(query)
    low, high = (parsed.filters.get(name) for name in ("min_price", "max_price"))
    return parsed.words, low, high


class TestPrices:
    @pytest.mark.parametrize(
        ("query", "words", "low", "high"),
        [
            ("sofa under £100", "sofa", None, 100),
            ("xbox 360 under 100", "xbox 360", None, 100),
            ("Sofa UNDER 100 Pounds", "Sofa", None, 100),
            ("sofa for less than £1,200", "sofa", None, 1200),
            ("car up to 1.5k", "car", None, 1500),
            ("sofa cheaper than 100 quid, blue", "sofa , blue", None, 100),
            ("sofa max £60", "sofa", None, 60),
            ("sofa £60 max", "sofa", None, 60),
            ("100 gbp or less sofa", "sofa", None, 100),
            ("sofa under GBP 99.50", "sofa", None, Decimal("99.50")),
            ("lego over £20", "lego", 20, None),
            ("lego £20+", "lego", 20, None),
            ("lego from £20", "lego", 20, None),
            ("lego no less than £20", "lego", 20, None),
            ("bike more than 100", "bike", 100, None),
            ("bike between 50 and 100", "bike", 50, 100),
            ("bike between £100 and £50", "bike", 50, 100),
            ("£50-£100 bike", "bike", 50, 100),
            ("bike £50 to 100", "bike", 50, 100),
            ("bike 50-100 pounds", "bike", 50, 100),
            ("bike £1-2k", "bike", 1000, 2000),
            ("bike over £20 under £50", "bike", 20, 50),
            ("under £100", "", None, 100),
        ],
    )
    def test_prices_of_a_query_become_filters_and_leave_its_words(self, query, words, low, high):
        assert prices(query) == (words.replace(" ,", ""), low, high)

    @pytest.mark.parametrize(
        "query",
        [
            *("under sink cabinet", "over 18", "under 5s bike", "size 12", "table 4-6 people", "64gb"),
            *("air max 90", "iphone 13 pro max 256", "desk under 100 cm", "under 12", "mini 2012 from 2014"),
            *("sofa £100", "100 pounds", "lego 100 pieces", "max power", "between the lines", "10-12 years"),
            *("sofa under £0", "sofa under £-5", "sofa under £99999999", "sofa under £5.999", "under €100"),
            *("under 100 euros", "over 40 birthday", "up to 12 months", '43" tv', "under £1,00", "under £ "),
        ],
    )
    def test_numbers_that_are_no_prices_stay_words(self, query):
        assert prices(query) == (query.strip(), None, None)

    @pytest.mark.parametrize("query", ["over £200 under £100", "under £100 under £50", "£20-£40 under £30"])
    def test_of_contradicting_prices_only_one_becomes_a_filter(self, query):
        parsed = understand(query)
        assert len(parsed.understood) == 1
        assert "£" in parsed.words
        Filters(**parsed.filters)

    @pytest.mark.parametrize(
        ("code", "query"),
        [
            *(("EUR", "sofa under €100"), ("EUR", "sofa under 100 €"), ("EUR", "sofa under 100 euros")),
            *(("USD", "sofa under $100"), ("USD", "sofa under 100 bucks"), ("SEK", "sofa under 100 kr")),
            *(("BRL", "sofa under BRL 100"), ("BRL", "sofa under 100 brl")),
        ],
    )
    def test_prices_are_read_in_the_currency_of_the_installation(self, currency, code, query):
        currency(code)
        assert prices(query) == ("sofa", None, 100)

    def test_a_price_in_another_currency_stays_words(self, currency):
        currency("EUR")
        assert prices("sofa under £100") == ("sofa under £100", None, None)


class TestPlaces:
    @pytest.mark.parametrize(
        ("query", "latitude", "radius_km"),
        [
            ("sofa near Leeds", 53.8, TOWN_RADIUS_KM),
            ("sofa NEAR leeds", 53.8, TOWN_RADIUS_KM),
            ("sofa around Leeds, West Yorkshire", 53.8, TOWN_RADIUS_KM),
            ("sofa close to st. albans", 51.75, TOWN_RADIUS_KM),
            ("sofa near Saint Albans", 51.75, TOWN_RADIUS_KM),
            ("sofa near newcastle", 54.97, TOWN_RADIUS_KM),
            ("sofa near stoke on trent", 53.0, TOWN_RADIUS_KM),
            ("sofa near Box", 51.42, TOWN_RADIUS_KM),
            ("sofa within 10 miles of York", 53.96, 16.09),
            ("sofa within 10km of York", 53.96, 10),
            ("sofa 5 miles from York", 53.96, 8.05),
            ("sofa near York within 5 km", 53.96, 5),
            ("sofa in York within 5 km", 53.96, 5),
            ("sofa in Bath", 51.38, TOWN_RADIUS_KM),
            ("sofa in kent", 51.28, COUNTY_RADIUS_KM),
            ("near Leeds sofa", 53.8, TOWN_RADIUS_KM),
        ],
    )
    def test_places_of_a_query_become_filters_and_leave_its_words(
        self, gazetteer, query, latitude, radius_km
    ):
        parsed = understand(query)
        assert (parsed.words, parsed.filters["lat"]) == ("sofa", latitude)
        assert parsed.filters["radius_km"] == pytest.approx(radius_km, abs=0.01)
        Filters(**parsed.filters)

    @pytest.mark.parametrize(
        "query",
        [
            *("sofa in good condition", "mint in box", "iphone in Box", "sofas in sale", "sofa near me"),
            *("wrap around dress", "bath", "in bath toys", "sofa within 0 miles of Leeds", "near", "Leeds"),
            *("sofa within 5000 miles of Leeds", "boxes of York", "near 100"),
        ],
    )
    def test_words_that_name_no_place_stay_words(self, gazetteer, query):
        assert understand(query).words == query
        assert understand(query).understood == ()

    def test_only_the_first_place_of_a_query_becomes_a_filter(self, gazetteer):
        parsed = understand("sofa near Leeds near York")
        assert (parsed.words, parsed.filters["lat"]) == ("sofa near York", 53.8)

    def test_places_of_another_country_stay_words(self, gazetteer, settings):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"country": "FR"})
        assert understand("sofa near Leeds").words == "sofa near Leeds"

    def test_places_take_one_database_query_however_many_words(self, gazetteer, django_assert_num_queries):
        with django_assert_num_queries(1):
            understand("sofa near a b c d in good condition near Leeds")
        with django_assert_num_queries(0):
            understand("sofa under £100")


class TestWholeQueries:
    @pytest.mark.parametrize(
        "query", ["sofa under £100 near Leeds", "sofa in Leeds under £100", "under £100 near Leeds sofa"]
    )
    def test_price_and_place_are_understood_in_any_order(self, gazetteer, query):
        parsed = understand(query)
        assert parsed.words == "sofa"
        assert parsed.filters == {"max_price": 100, "lat": 53.8, "lon": -1.55, "radius_km": TOWN_RADIUS_KM}

    def test_each_understood_part_keeps_the_text_it_came_from(self, gazetteer):
        parts = understand("Sofa  under £100, near  Leeds!").understood
        assert [part.text for part in parts] == ["under £100", "near  Leeds"]
        assert [set(part.filters) for part in parts] == [{"max_price"}, {"lat", "lon", "radius_km"}]

    def test_a_query_without_price_or_place_is_all_words(self, gazetteer):
        assert understand("  blue   sofa ").words == "blue sofa"

    @hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.text(max_size=80) | st.text("£1,.0k- underbtwadmxfo", max_size=60))
    def test_understanding_accepts_any_text(self, gazetteer, query):
        Filters(**understand(query).filters)

    @hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(
            st.sampled_from(
                [
                    *("under", "over", "£", "100", "-", "to", "near", "in", "within", "Leeds", "Box"),
                    *("between", "and", ",", "20", "0", "k", "max", "pounds", "5 miles of", "\x00", "\ud800"),
                ]
            ),
            max_size=12,
        )
    )
    def test_understanding_accepts_its_own_words_in_any_order(self, gazetteer, words):
        parsed = understand(" ".join(words))
        Filters(**parsed.filters)
        assert all(part.text for part in parsed.understood)

    @pytest.mark.parametrize("unit", ["near Leeds ", "under £1 ", "£1-", " ", "1,", "near a-", "x"])
    def test_understanding_accepts_very_long_queries(self, gazetteer, unit):
        understand(unit * (10_000 // len(unit)))
