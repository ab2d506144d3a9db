"""Signs and names of currencies, as people write them beside a number."""

import re
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.numbers import get_currency_symbol, list_currencies

DOLLARS = ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN")
# Signs and names of currencies by ISO code, as regular expressions. The code itself is always understood.
SIGNS = {
    **dict.fromkeys(DOLLARS, r"\$"),
    **{"GBP": "£", "EUR": "€", "JPY": "¥", "CNY": "¥", "INR": "₹", "TRY": "₺", "UAH": "₴", "ILS": "₪"},
}
NAMES = {
    **dict.fromkeys(("USD", "CAD", "AUD", "NZD", "SGD", "HKD"), "dollars?|bucks?"),
    **dict.fromkeys(("SEK", "NOK", "DKK"), "kr|kron(?:a|or|er|e)"),
    **{"GBP": "pounds?|quid", "EUR": "euros?", "JPY": "yen|円", "CNY": "yuan|元", "INR": "rupees?|rs"},
    **{"CHF": "francs?|fr", "PLN": "zł|zloty", "CZK": "kč|koruna", "TRY": "lira", "ZAR": "rand"},
}
# The hundredth part of a currency.
SMALL_CHANGE = {
    "GBP": "p|pence|pennies|penny",
    "EUR": "c|ct|cents?",
    **dict.fromkeys(DOLLARS, "c|¢|cents?"),
}


def is_of(mark: str, currency: str, country: str) -> bool:
    """Whether a text beside a number means this currency, in an installation of this country."""
    return bool(_marks(currency, country).fullmatch(mark))


def is_of_any(mark: str) -> bool:
    """Whether a text beside a number means some currency."""
    known = (*SIGNS.values(), *NAMES.values(), r"[a-z]{0,3}[$€£¥₩₽₦₫₱฿₴₪₺]")
    return mark.upper() in list_currencies() or bool(re.fullmatch("|".join(known), mark, re.IGNORECASE))


@cache
def _marks(currency: str, country: str) -> re.Pattern[str]:
    written = [SIGNS.get(currency), NAMES.get(currency), currency]
    written += [re.escape(get_currency_symbol(currency, locale)) for locale in ("en", locale_of(country))]
    # A$ and AU$ are the same dollar.
    written += [rf"{currency[:2]}\$", rf"{currency[0]}\$"] if currency in DOLLARS else []
    return re.compile("|".join(filter(None, written)), re.IGNORECASE)


@cache
def locale_of(country: str) -> Locale:
    """The locale of the country's most spoken language."""
    try:
        return Locale.parse(f"und_{country}")
    except (UnknownLocaleError, ValueError):
        return Locale("en")
