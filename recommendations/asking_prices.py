"""Prices in a query: `under £100`, `£50-£100`, `between 50 and 100`, `100 pounds or less`."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from recommendations.asking_spans import Span

# A number without a sign of money is a price only from here on: below are ages, sizes and shoes.
SMALLEST_BARE_MAXIMUM = 20
SMALLEST_BARE_MINIMUM = 100

# By ISO code, which is always understood: how else a currency is written, as regular expressions.
SIGNS = {
    **dict.fromkeys(("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN"), r"\$"),
    **{"GBP": "£", "EUR": "€", "JPY": "¥", "CNY": "¥", "INR": "₹", "TRY": "₺", "UAH": "₴", "ILS": "₪"},
}
NAMES = {
    **dict.fromkeys(("USD", "CAD", "AUD", "NZD", "SGD", "HKD"), "dollars?|bucks?"),
    **dict.fromkeys(("SEK", "NOK", "DKK"), "kr|kron(?:a|or|er|e)"),
    **{"GBP": "pounds?|quid", "EUR": "euros?", "JPY": "yen", "CNY": "yuan", "INR": "rupees?|rs"},
    **{"CHF": "francs?|fr", "PLN": "zł|zloty", "CZK": "kč|koruna", "TRY": "lira", "ZAR": "rand"},
}

AT_MOST = r"under|below|(?<!no )(?<!not )less than|up to|at most|not? more than|cheaper than"
AT_LEAST = r"over|above|(?<!no )(?<!not )more than|at least|not? less than"
# These say something else too often (`Air Max 90`, `from 2012`): they need the sign of money.
AT_MOST_MONEY = rf"{AT_MOST}|max(?:imum)?(?: price)?(?: of)?:?|within"
AT_LEAST_MONEY = rf"{AT_LEAST}|min(?:imum)?(?: price)?(?: of)?:?|from|starting (?:at|from)"
OR_LESS = r"max(?:imum)?\b|or (?:less|under|below|cheaper)\b|and (?:under|below)\b|tops\b"
OR_MORE = r"min(?:imum)?\b|or (?:more|over|above)\b|and (?:over|above|up)\b|\+"
NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d{1,9}(?:\.\d{1,2})?"
ENDS = r"(?![\w%\"'”′″]|[.,/-]\d)"
LEAD = r"(?:(?:for|at|priced|costing|price)\s+)?"
# What may follow a number that nothing marks as money. Anything else may be its unit: `under 100 cm`.
BARE_END = r"(?=\s*(?:$|[,;]|(?:near|in|around|within|close|for|with|and|or|over|above|more|at)\b))"


@dataclass(frozen=True)
class Way:
    """One way to say prices: the pattern, and whether its numbers `low` and `high` are sure to be money."""

    pattern: re.Pattern[str]
    is_marked: bool


def prices_in(query: str, currency: str, largest: Decimal) -> list[Span]:
    """The prices of a query, in its order, no two for the same end; zero and absurd ones are left words."""
    spans: list[Span] = []
    for way in _ways(currency):
        for found in way.pattern.finditer(query):
            prices = _prices(found.groupdict(), way)
            if (
                prices
                and all(0 < price <= largest for price in prices.values())
                and _fits(found, prices, spans)
            ):
                spans.append(Span(*found.span(), prices))
    return sorted(spans, key=lambda span: span.start)


def _fits(found: re.Match[str], prices: dict[str, Decimal], spans: list[Span]) -> bool:
    """Whether it neither overlaps nor contradicts what was understood before."""
    known = {name: price for span in spans for name, price in span.filters.items()}
    both = known | prices
    return (
        not known.keys() & prices.keys()
        and both.get("min_price", Decimal(0)) <= both.get("max_price", Decimal("Infinity"))
        and all(found.end() <= span.start or found.start() >= span.end for span in spans)
    )


def _prices(groups: dict[str, str | None], way: Way) -> dict[str, Decimal]:
    """What a match says, by the names of filters; nothing when the numbers are not sure to be prices."""
    low, high = (_amount(groups.get(end), groups.get(f"{end}_k")) for end in ("low", "high"))
    if not way.is_marked and (
        (low is not None and high is None and low < SMALLEST_BARE_MINIMUM)
        or (high is not None and high < SMALLEST_BARE_MAXIMUM)
    ):
        return {}
    if low is not None and high is not None:
        if groups.get("high_k") and not groups.get("low_k") and low * 1000 <= high:
            low *= 1000  # £1-2k
        low, high = sorted((low, high))
    return {name: price for name, price in (("min_price", low), ("max_price", high)) if price is not None}


def _amount(number: str | None, thousands: str | None) -> Decimal | None:
    return None if number is None else Decimal(number.replace(",", "")) * (1000 if thousands else 1)


@cache
def _ways(currency: str) -> tuple[Way, ...]:
    """The longest first: a range holds what would pass for one price."""
    sign, names = _sign(currency), _names(currency)

    def bare(end: str) -> str:
        return rf"(?P<{end}>{NUMBER})(?P<{end}_k>k)?{ENDS}"

    def marked(end: str) -> str:
        """With the sign before it, and perhaps the name behind; or with either of them behind."""
        before = rf"(?:(?P<{end}_sign>{sign})\s*)?"
        number = rf"(?P<{end}>{NUMBER})\s?(?P<{end}_k>k)?"
        return rf"{before}{number}(?({end}_sign)(?:\s*(?:{names}))?|\s*(?:{sign}|{names})){ENDS}"

    def ways(template: str, is_marked: bool) -> Way:
        return Way(re.compile(rf"(?<![\w.,£$€]){template}", re.IGNORECASE), is_marked)

    to = r"\s*(?:-|–|—|to|and|until)\s*"
    half = rf"(?P<low>{NUMBER})(?P<low_k>k)?"
    either = _either(bare("high"), sign, names)
    return (
        ways(rf"(?:(?:between|from|for)\s+)?(?:{sign})\s*{half}{to}{either}", True),
        ways(rf"(?:(?:between|from|for)\s+)?{half}{to}{marked('high')}", True),
        ways(rf"between\s+{half}\s+and\s+{bare('high')}{BARE_END}", False),
        ways(rf"{LEAD}(?:{AT_MOST_MONEY})\s*{marked('high')}", True),
        ways(rf"{LEAD}(?:{AT_LEAST_MONEY})\s*{marked('low')}", True),
        ways(rf"{marked('high')}\s*(?:{OR_LESS})", True),
        ways(rf"{marked('low')}\s*(?:{OR_MORE})", True),
        ways(rf"{LEAD}(?:{AT_MOST})\s+{bare('high')}{BARE_END}", False),
        ways(rf"{LEAD}(?:{AT_LEAST})\s+{bare('low')}{BARE_END}", False),
    )


def _either(bare: str, sign: str, names: str) -> str:
    """The second number of a range whose first is marked may be marked too."""
    number = bare.removesuffix(ENDS)
    return rf"(?:(?:{sign})\s*)?{number}(?:\s*(?:{sign}|(?:{names})\b))?{ENDS}"


def _sign(currency: str) -> str:
    return "|".join(filter(None, (SIGNS.get(currency), rf"\b{currency}")))


def _names(currency: str) -> str:
    return "|".join(filter(None, (NAMES.get(currency), currency)))
