"""Prices in a query: `under £100`, `£50-£100`, `50 to 80`, `max 100`, `< 100`, `100 pounds or less`, `free`.

Numbers are prices when a currency marks them, or when what surrounds them leaves no other meaning.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from listings.values.currencies import NAMES, SIGNS
from recommendations.query_parsing.spans import QuerySpan, is_apart

# A number without a currency is a price only from these values on: smaller ones are ages and sizes.
SMALLEST_BARE_MAXIMUM = 20
SMALLEST_BARE_MINIMUM = 100
SMALLEST_BARE_RANGE = 60  # its higher end: 32-34 are sizes
YEARS = range(1900, 2050)  # a range of years is none of prices

AT_MOST = r"under|below|(?<!no )(?<!not )less than|up to|at most|not? more than|cheaper than"
AT_LEAST = r"over|above|(?<!no )(?<!not )more than|at least|not? less than"
# These words need a number with a currency: `Air Max 90` and `from 2012` are no prices.
AT_MOST_MONEY = rf"{AT_MOST}|max(?:imum)?(?: price)?(?: of)?:?|within"
AT_LEAST_MONEY = rf"{AT_LEAST}|min(?:imum)?(?: price)?(?: of)?:?|from|starting (?:at|from)"
OR_LESS = r"max(?:imum)?\b|or (?:less|under|below|cheaper)\b|and (?:under|below)\b|tops\b"
OR_MORE = r"min(?:imum)?\b|or (?:more|over|above)\b|and (?:over|above|up)\b|\+"
# After these words `max` is a part of a name.
NAMED_MAX = frozenset(
    {"air", "pro", "xs", "turbo", "super", "mad", "mini", "vapor", "vapour", "step", "pepsi"}
)
# Beside these words `free` is no price: gluten free, free standing.
_BEFORE_FREE = """
    cable cordless cruelty dairy duty fat frost fuss gluten hands hassle lead nut oil pain pet rust sim smoke
    stress sugar trouble wheel wire worry
"""
_AFTER_FREE = """
    bird body delivery fall flight form from hand kick lance lancer motion people post postage range ride
    rider run runner running sat shipping sim spirit standing style sync to view wheel weight weights with
"""
FREE_BEFORE, FREE_AFTER = frozenset(_BEFORE_FREE.split()), frozenset(_AFTER_FREE.split())
NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d{1,9}(?:\.\d{1,2})?"
ENDS = r"(?![\w%\"'”′″]|[.,/-]\d)"
NO_UNIT = r"(?!\s*(?:[cmk]m|m|kg|g|lbs?|in|inch(?:es)?|ft|years?|yrs?|months?|[gtm]b|w|v|l|lit(?:re|er)s?)\b)"
LESS_SIGN, MORE_SIGN = "<=|=<|[<≤⩽≦]", ">=|=>|[>≥⩾≧]"
LEAD = r"(?:(?:for|at|priced|costing|price)\s+)?"
# What may follow a number without a currency. Any other word may be its unit: `under 100 cm`.
BARE_END = r"(?=\s*(?:$|[,;]|(?:near|in|around|within|close|for|with|and|or|over|above|more|at)\b))"


@dataclass(frozen=True)
class PricePattern:
    """One wording of prices. Its groups `low` and `high` are numbers; `is_marked`: with a currency."""

    pattern: re.Pattern[str]
    is_marked: bool
    is_range: bool = False


def prices_in(
    query: str, currency: str, largest: Decimal, taken: Iterable[QuerySpan] = ()
) -> list[QuerySpan]:
    """The prices of a query, in its order: at most one minimum and one maximum.

    Amounts of zero or beyond `largest` stay words. taken: parts of the query that are something else.
    """
    free = list(taken)
    spans: list[QuerySpan] = []
    for wording in _patterns(currency):
        for match in wording.pattern.finditer(query):
            prices = _prices(match.groupdict(), wording)
            if (
                prices
                and all(0 < price <= largest for price in prices.values())
                and not _names_a_model(query, match)
                and _fits(match, prices, spans)
                and is_apart(*match.span(), free)
            ):
                spans.append(QuerySpan(*match.span(), prices))
    if not any("max_price" in span.filters for span in spans):
        spans += [span for span in _free(query) if is_apart(span.start, span.end, (*free, *spans))][:1]
    return sorted(spans, key=lambda span: span.start)


def _free(query: str) -> Iterator[QuerySpan]:
    """The word `free` where it stands for a price: at the beginning or the end of a query."""
    words = list(re.finditer(r"[^\W_]+", query))
    for place, match in enumerate(words):
        before = words[place - 1].group().lower() if place else ""
        after = words[place + 1].group().lower() if place + 1 < len(words) else ""
        if (
            match.group().lower() == "free"
            and not (before and after)
            and before not in FREE_BEFORE
            and after not in FREE_AFTER
        ):
            yield QuerySpan(*match.span(), {"max_price": Decimal(0)})


def _names_a_model(query: str, match: re.Match[str]) -> bool:
    """Whether `max` belongs to a name: Air Max 90, Pro Max 256."""
    before = re.findall(r"[^\W_]+", query[: match.start()])
    return (
        match.group().lower().startswith("max ")
        and bool(before)
        and (before[-1].lower() in NAMED_MAX or before[-1].isdigit())
    )


def _fits(match: re.Match[str], prices: dict[str, Decimal], spans: list[QuerySpan]) -> bool:
    """Whether a match neither overlaps nor contradicts these spans."""
    known = {name: price for span in spans for name, price in span.filters.items()}
    both = known | prices
    return (
        not known.keys() & prices.keys()
        and both.get("min_price", Decimal(0)) <= both.get("max_price", Decimal("Infinity"))
        and is_apart(*match.span(), spans)
    )


def _prices(groups: dict[str, str | None], wording: PricePattern) -> dict[str, Decimal]:
    """The prices of a match, by the names of filters; none when its numbers may be something else."""
    low, high = (
        _amount(groups.get(end) or groups.get(f"{end}_"), groups.get(f"{end}_k") or groups.get(f"{end}__k"))
        for end in ("low", "high")
    )
    if wording.is_range and low is not None and high is not None:
        are_years = low in YEARS and high in YEARS
        if are_years or low < SMALLEST_BARE_MAXIMUM or max(low, high) < SMALLEST_BARE_RANGE:
            return {}
    if not wording.is_marked and (
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
def _patterns(currency: str) -> tuple[PricePattern, ...]:
    """All wordings of prices, ranges first: a part of a range would match as a single price."""
    sign, names = _sign(currency), _names(currency)

    def bare(end: str) -> str:
        return rf"(?P<{end}>{NUMBER})(?P<{end}_k>k)?{ENDS}"

    def marked(end: str) -> str:
        """A number with the sign before it and perhaps the name after it, or with one of them after it."""
        before = rf"(?:(?P<{end}_sign>{sign})\s*)?"
        number = rf"(?P<{end}>{NUMBER})\s?(?P<{end}_k>k)?"
        return rf"{before}{number}(?({end}_sign)(?:\s*(?:{names}))?|\s*(?:{sign}|{names})){ENDS}"

    def pattern(template: str, is_marked: bool, is_range: bool = False) -> PricePattern:
        return PricePattern(re.compile(rf"(?<![\w.,£$€]){template}", re.IGNORECASE), is_marked, is_range)

    to = r"\s*(?:-|–|—|to|and|until)\s*"
    half = rf"(?P<low>{NUMBER})(?P<low_k>k)?"
    either = _either(bare("high"), sign, names)
    return (
        pattern(rf"(?:(?:between|from|for)\s+)?(?:{sign})\s*{half}{to}{either}", True),
        pattern(rf"(?:(?:between|from|for)\s+)?{half}{to}{marked('high')}", True),
        pattern(rf"between\s+{half}\s+and\s+{bare('high')}{BARE_END}", False),
        pattern(rf"{LEAD}(?:{AT_MOST_MONEY})\s*{marked('high')}", True),
        pattern(rf"{LEAD}(?:{AT_LEAST_MONEY})\s*{marked('low')}", True),
        pattern(rf"{marked('high')}\s*(?:{OR_LESS})", True),
        pattern(rf"{marked('low')}\s*(?:{OR_MORE})", True),
        pattern(rf"{LEAD}(?:{AT_MOST})\s+{bare('high')}{BARE_END}", False),
        pattern(rf"{LEAD}(?:{AT_LEAST})\s+{bare('low')}{BARE_END}", False),
        pattern(rf"{LEAD}max(?:imum)?(?: price)?(?: of)?:?\s+{bare('high')}{BARE_END}", False),
        pattern(rf"(?:{LESS_SIGN})\s*(?:{marked('high')}|{bare('high_')}{NO_UNIT})", True),
        pattern(rf"(?:{MORE_SIGN})\s*(?:{marked('low')}|{bare('low_')}{NO_UNIT})", True),
        pattern(rf"(?:(?:from|for)\s+)?{half}{to}{bare('high')}{BARE_END}", False, is_range=True),
    )


def _either(bare: str, sign: str, names: str) -> str:
    """The second number of a range whose first number has a currency. It may have one too."""
    number = bare.removesuffix(ENDS)
    return rf"(?:(?:{sign})\s*)?{number}(?:\s*(?:{sign}|(?:{names})\b))?{ENDS}"


def _sign(currency: str) -> str:
    return "|".join(filter(None, (SIGNS.get(currency), rf"\b{currency}")))


def _names(currency: str) -> str:
    return "|".join(filter(None, (NAMES.get(currency), currency)))
