"""Prices as people write them."""

from decimal import Decimal

import pytest

from listings.values.prices import OtherCurrency, UnreadablePrice, read_price


def read(text: str, currency: str = "GBP", country: str = "GB") -> Decimal:
    return read_price(text, currency=currency, country=country)


class TestPrices:
    @pytest.mark.parametrize(
        ("text", "price"),
        [
            *(("£1,200.00", "1200.00"), ("£5", "5.00"), (" £ 20.5 ", "20.50"), ("1200", "1200.00")),
            *(("£1,234,567.00", "1234567.00"), ("GBP 12", "12.00"), ("12 GBP", "12.00"), ("￡7", "7.00")),
            *(("Free", "0.00"), ("0", "0.00"), ("1.200,00", "1200.00"), ("12,50", "12.50")),
            *(("£12k", "12000.00"), ("1.2k", "1200.00"), ("75p", "0.75"), ("150 pence", "1.50")),
            *(("£50 ono", "50.00"), ("£50 o.n.o.", "50.00"), ("£1,200 (negotiable)", "1200.00")),
            *(("1 200", "1200.00"), ("1'200.50", "1200.50"), ("£12.-", "12.00"), ("50 quid", "50.00")),
        ],
    )
    def test_a_price_that_can_mean_one_amount_is_read_exactly(self, text, price):
        assert str(read(text)) == price and isinstance(read(text), Decimal)

    @pytest.mark.parametrize(
        ("text", "currency", "country", "price"),
        [
            *(("1.200 €", "EUR", "DE", "1200.00"), ("12,5", "EUR", "DE", "12.50")),
            *(
                ("99 ct", "EUR", "DE", "0.99"),
                ("50 VB", "EUR", "DE", "50.00"),
                ("5000円", "JPY", "JP", "5000.00"),
            ),
            *(
                ("A$20", "AUD", "AU", "20.00"),
                ("$20", "AUD", "AU", "20.00"),
                ("Rs 500", "INR", "IN", "500.00"),
            ),
            ("₹1,00,000", "INR", "IN", "100000.00"),
        ],
    )
    def test_prices_are_read_as_the_country_of_the_installation_writes_them(
        self, text, currency, country, price
    ):
        assert str(read(text, currency, country)) == price

    @pytest.mark.parametrize(
        "text",
        ["$100", "€100", "USD 45", "100 EUR", "A$20", "¥5000", "￥5000", "12 €", "US$7", "50 kr", "CHF 20"],
    )
    def test_another_currency_is_refused(self, text):
        with pytest.raises(OtherCurrency, match="a price in another currency than GBP"):
            read(text)

    @pytest.mark.parametrize(
        ("text", "country"), [("1.200", "GB"), ("1,200", "DE"), ("0.123", "GB"), ("1.200", "DE")]
    )
    def test_a_number_that_may_be_a_fraction_or_thousands_is_refused_with_this_reason(self, text, country):
        with pytest.raises(UnreadablePrice, match="may be a fraction or thousands"):
            read(text, "EUR" if country == "DE" else "GBP", country)

    @pytest.mark.parametrize("text", ["POA", "p.o.a.", "on request", "offers", "N/A", "NaN"])
    def test_words_that_stand_for_no_price_are_refused_with_this_reason(self, text):
        with pytest.raises(UnreadablePrice, match="it names no price"):
            read(text)

    @pytest.mark.parametrize(
        "text",
        [
            *("", "-5", "£1,20.00", "12,5", "1e5", "Infinity", "£5 each", "9" * 30, "£10-£20", "12.", "1 2"),
            *("£", ".50", "7.5p", "£20p", "1,234.567", "250pcm", "12k5", "1.2345k", "x" * 1000, "1,,200"),
        ],
    )
    def test_text_that_is_no_price_is_refused(self, text):
        with pytest.raises(UnreadablePrice):
            read(text)
