"""Prices in search queries."""

from decimal import Decimal

import pytest

from recommendations.query_parsing.understanding import understand
from recommendations.retrieval.filters import Filters


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
