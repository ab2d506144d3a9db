"""Prices in bodies of the API and of batches, read as those of files are."""

from decimal import Decimal

import pytest
from rest_framework.exceptions import ValidationError

from listings.api.fields import PriceField

FIELD = PriceField(max_digits=12, decimal_places=2, min_value=0)


@pytest.mark.parametrize(
    ("sent", "price"),
    [
        (5, "5"),
        ("5.00", "5"),
        (12.5, "12.5"),
        ("£1,200", "1200"),
        ("12,50", "12.5"),
        ("free", "0"),
        ("75p", "0.75"),
    ],
)
def test_a_price_is_a_number_or_what_people_write(sent, price):
    assert FIELD.run_validation(sent) == Decimal(price)


@pytest.mark.parametrize("sent", ["$100", "100 EUR", "¥5000"])
def test_another_currency_is_refused(sent):
    with pytest.raises(ValidationError, match="a price in another currency than GBP"):
        FIELD.run_validation(sent)


@pytest.mark.parametrize("sent", ["", "POA", "1.200", "1e5", "-1", "£-1", "x", [1], True, None])
def test_what_is_no_price_is_refused(sent):
    with pytest.raises(ValidationError):
        FIELD.run_validation(sent)
