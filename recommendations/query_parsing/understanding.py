"""Separation of a query into search words, operators and filters: `sofa -leather under £100 near Leeds`."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings

from listings.models import Place
from recommendations.query_parsing.operators import (
    NO_OPERATORS,
    Operators,
    OperatorSpan,
    operators_in,
    with_plain_quotes,
)
from recommendations.query_parsing.places import RadiusSpan, bare_place_in, places_in, radius_in
from recommendations.query_parsing.prices import prices_in
from recommendations.query_parsing.spans import FilterValues, QuerySpan, Span

# What looks like a price or a place and was not understood: another currency, an unknown town.
UNREAD = re.compile(
    r"(?<!\w)(?:(?:under|over|below|above|max|min)\s+)?(?:[£$€¥₹₺₴₪]\s?\d[\d.,]*k?|\d[\d.,]*k?\s?[£$€¥₹₺₴₪])"
    r"|(?<!\w)(?:near|not\s+(?:in|near)|around|within\s+\d+\s*\w+\s+of)\s+[^\W\d_][\w'’-]*",
    re.IGNORECASE,
)


class PartKind(StrEnum):
    """What a part of a query stands for."""

    PRICE = "price"
    PLACE = "place"
    EXCLUDED = "excluded"
    PHRASE = "phrase"
    EITHER = "either"


@dataclass(frozen=True)
class QueryPart:
    """A part of a query, the filters that it stands for by their names in Filters, and the rest."""

    text: str
    filters: FilterValues
    kind: PartKind
    without: str = ""  # the query without this part
    radius_km: float | None = None  # around the caller, of a radius without a place


@dataclass(frozen=True)
class UnderstoodQuery:
    """A query as search words, operators, and the parts that were understood.

    plain: the words that no operator holds. unread: signs and parts that could not be read.
    """

    plain: str
    operators: Operators = NO_OPERATORS
    understood: tuple[QueryPart, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """All words that are looked for."""
        return joined_words(self.plain, self.operators)

    @property
    def filters(self) -> FilterValues:
        """The filters of all parts, by their names in Filters. They never contradict each other."""
        return {name: value for part in self.understood for name, value in part.filters.items()}


def joined_words(plain: str, operators: Operators) -> str:
    """Plain words and those of the operators that look for any."""
    held = [*operators.phrases, *(phrase for either in operators.either for phrase in either)]
    return " ".join([*plain.split(), *(word for phrase in held for word in phrase)])


def understand(query: str, large_places: Mapping[str, Place] | None = None) -> UnderstoodQuery:
    """Move operators, prices and places out of the words of a query. Uncertain ones stay words.

    large_places: by their plain names, those that need no word such as `near` before them.

    `min_price` and `max_price` are Decimal and at most MAXIMUM_PRICE. `lat`, `lon` (degrees) and `radius_km`
    come together.
    """
    query = with_plain_quotes(unicodedata.normalize("NFKC", query))
    operators = operators_in(query)
    taken = [QuerySpan(span.start, span.end, {}) for span in operators]
    prices = prices_in(query, settings.ENVIRONMENT.currency, settings.ENVIRONMENT.maximum_price, taken)
    places = places_in(query, [*prices, *taken])
    if not places and large_places:
        bare = bare_place_in(query, [*prices, *taken], large_places)
        places = [bare] if bare else []
    radius = None if places else radius_in(query, [*prices, *taken])
    parts = [*_parts(query, operators, prices, places), *_around_the_caller(query, radius)]
    plain = _without(query, [*prices, *places, *operators, *([radius] if radius else [])])
    unread = [query[span.start : span.end].strip() for span in operators if span.kind == "unread"]
    unread += [match.group().strip() for match in UNREAD.finditer(plain)]
    return UnderstoodQuery(plain, Operators.of(operators), tuple(parts), tuple(unread))


def _around_the_caller(query: str, radius: RadiusSpan | None) -> Iterator[QueryPart]:
    if radius is not None:
        text = query[radius.start : radius.end].strip()
        yield QueryPart(text, {}, PartKind.PLACE, _rest(query, radius.start, radius.end), radius.radius_km)


def _parts(
    query: str, operators: list[OperatorSpan], prices: list[QuerySpan], places: list[QuerySpan]
) -> Iterable[QueryPart]:
    """The understood parts in the order of the query."""
    found = [(span.start, span.end, PartKind.PRICE, span.filters) for span in prices]
    found += [(span.start, span.end, PartKind.PLACE, span.filters) for span in places]
    found += [(span.start, span.end, PartKind(span.kind), {}) for span in operators if span.kind != "unread"]
    for start, end, kind, filters in sorted(found, key=lambda part: part[0]):
        yield QueryPart(query[start:end].strip(), filters, kind, _rest(query, start, end))


def _rest(query: str, start: int, end: int) -> str:
    """The query without a stretch of it."""
    return " ".join((query[:start] + " " + query[end:]).split()).strip(" ,;")


def _without(query: str, spans: Iterable[Span]) -> str:
    """The query without these spans, with single blanks and without lone punctuation."""
    words, start = [], 0
    for span in sorted(spans, key=lambda span: span.start):
        words += query[start : span.start].split()
        start = span.end
    words += query[start:].split()
    return " ".join(word for word in words if word not in {",", ";", "-", "."}).strip(" ,;")
