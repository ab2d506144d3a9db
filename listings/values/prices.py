"""Prices as people write them: `£1,200.00`, `1.200,00`, `12k`, `75p`, `£50 ono`, `free`.

One definition for files, batches and the API. What could mean two prices is refused, and so is another
currency: a wrong price is worse than none.
"""

import re
import unicodedata
from decimal import Decimal

from babel.numbers import get_decimal_symbol

from listings.values.currencies import SMALL_CHANGE, is_of, is_of_any, locale_of

LONGEST_TEXT = 100
CENT = Decimal("0.01")
FREE = frozenset({"free", "for free", "gratis", "kostenlos", "zu verschenken", "gratuit"})
NO_PRICE = re.compile(
    r"p\.?o\.?a\.?|price on (?:application|request)|on request|ask|offers?|(?:make|best|any) (?:an )?offers?"
    r"|open to offers|swaps?|contact(?: me| us)?|tb[acd]|call|vh?b|n/?a|none|null|nan|-",
    re.IGNORECASE,
)
# What follows a price and leaves it as it is: it may be haggled over, or it may not.
TERMS = re.compile(
    r"[\s,/(]+(?:o\.?v?n\.?o\.?|o\.?b\.?o\.?|or (?:very )?near(?:est)? offers?|or best offer|neg|negotiable"
    r"|vh?b|festpreis|firm|fixed(?: price)?)[.)]*$",
    re.IGNORECASE,
)
WRITTEN = re.compile(
    r"(?P<before>[^\d.,'’\s+-]*)\s*(?P<number>\d[\d.,'’ ]*?)(?P<dash>[.,](?:-|–|--|—))?\s?"
    r"(?P<thousands>k(?!\w))?\s*(?P<after>[^\d.,'’\s+-]*)",
    re.IGNORECASE,
)
WHOLE = r"\d{1,10}"
IN_THREES = {mark: re.compile(rf"\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+") for mark in ".,'’ "}
INDIAN = re.compile(r"\d{1,2}(?:,\d{2})*,\d{3}")


class UnreadablePrice(ValueError):
    """The text holds no price. The message says why, or is empty where there is nothing to explain."""


class OtherCurrency(UnreadablePrice):
    """The price is in another currency than the installation's."""

    def __init__(self, currency: str):
        super().__init__(f"a price in another currency than {currency}")


def read_price(text: str, *, currency: str, country: str) -> Decimal:
    """The price in a text, in the currency of the installation, never negative. Raises UnreadablePrice."""
    text = " ".join(unicodedata.normalize("NFKC", text).split())
    if text.casefold() in FREE:
        return Decimal("0.00")
    if len(text) > LONGEST_TEXT:
        raise UnreadablePrice
    if NO_PRICE.fullmatch(text):
        raise UnreadablePrice("it names no price")
    match = WRITTEN.fullmatch(TERMS.sub("", text))
    if match is None:
        raise UnreadablePrice
    divisor = _divisor(match, currency, country)
    is_marked = bool(match["before"] or match["after"])
    amount = _number(match["number"], country, is_marked=is_marked, is_short=bool(match["thousands"]))
    price = amount * (1000 if match["thousands"] else 1) / divisor
    if price != price.quantize(CENT):
        raise UnreadablePrice("it has parts of a hundredth")
    return price.quantize(CENT)


def _divisor(match: re.Match[str], currency: str, country: str) -> int:
    """100 for an amount of pence, else 1. Raises OtherCurrency, and UnreadablePrice for other words."""
    before, after = match["before"], match["after"]
    if after and re.fullmatch(SMALL_CHANGE.get(currency, "(?!)"), after, re.IGNORECASE):
        if before or match["thousands"] or match["dash"] or not match["number"].isdigit():
            raise UnreadablePrice
        return 100
    for mark in filter(None, (before, after)):
        if not is_of(mark, currency, country):
            raise OtherCurrency(currency) if is_of_any(mark) else UnreadablePrice
    return 1


def _number(text: str, country: str, *, is_marked: bool, is_short: bool) -> Decimal:
    """The number, whose last mark may stand for decimals or for thousands. Raises UnreadablePrice.

    is_marked: whether a currency stands beside it, so that a person wrote it, in the way of the country.
    is_short: whether it counts thousands, so that three digits behind a point are no thousands themselves.
    """
    marks = [sign for sign in text if not sign.isdigit()]
    if not marks:
        return _decimal(text)
    last = marks[-1]
    whole, _, end = text.rpartition(last)
    if len(marks) > 1 and last in marks[:-1]:  # several of one kind are thousands
        return _in_threes(text, marks[0], country)
    if last in "'’ " or (len(end) == 3 and len(marks) > 1):
        return _in_threes(text, last, country) if len(set(marks)) == 1 else _refuse()
    if len(marks) > 1:
        return _decimal(f"{_in_threes(whole, marks[0], country)}.{end}", len(end))
    point = get_decimal_symbol(locale_of(country))
    if len(end) == 3 and not is_short:
        is_thousands = last != point and (last == "," or is_marked) and IN_THREES[last].fullmatch(text)
        return _decimal(whole + end) if is_thousands and whole != "0" else _refuse(text)
    is_decimal = len(end) == 2 or last == "." or last == point
    return _decimal(f"{whole}.{end}", len(end) - is_short) if is_decimal else _refuse()


def _in_threes(text: str, mark: str, country: str) -> Decimal:
    is_indian = country == "IN" and INDIAN.fullmatch(text)
    return _decimal(text.replace(mark, "")) if is_indian or IN_THREES[mark].fullmatch(text) else _refuse()


def _decimal(text: str, decimal_count: int = 2) -> Decimal:
    is_number = re.fullmatch(rf"{WHOLE}(?:\.\d+)?", text) and decimal_count <= 2
    return Decimal(text) if is_number else _refuse()


def _refuse(ambiguous: str = "") -> Decimal:
    raise UnreadablePrice(f"{ambiguous} may be a fraction or thousands" if ambiguous else "")
