"""Separation of a query into search words and filters: `sofa under £100 near Leeds`."""

from dataclasses import dataclass

from django.conf import settings

from recommendations.query_parsing.places import places_in
from recommendations.query_parsing.prices import FilterValues, QuerySpan, prices_in


@dataclass(frozen=True)
class QueryPart:
    """A part of a query and the filters that it stands for, by their names in Filters."""

    text: str
    filters: FilterValues


@dataclass(frozen=True)
class UnderstoodQuery:
    """A query as search words and the parts that became filters."""

    words: str
    understood: tuple[QueryPart, ...] = ()

    @property
    def filters(self) -> FilterValues:
        """The filters of all parts, by their names in Filters. They never contradict each other."""
        return {name: value for part in self.understood for name, value in part.filters.items()}


def understand(query: str) -> UnderstoodQuery:
    """Move prices and places from the words of a query to filters. Uncertain ones stay words.

    `min_price` and `max_price` are Decimal, above 0 and at most MAXIMUM_PRICE. `lat`, `lon` (degrees) and
    `radius_km` come together.
    """
    prices = prices_in(query, settings.ENVIRONMENT.currency, settings.ENVIRONMENT.maximum_price)
    spans = sorted(prices + places_in(query, prices), key=lambda span: span.start)
    understood = tuple(QueryPart(query[span.start : span.end].strip(), span.filters) for span in spans)
    return UnderstoodQuery(_without(query, spans), understood)


def _without(query: str, spans: list[QuerySpan]) -> str:
    """The query without these spans, with single blanks and without lone punctuation."""
    words, start = [], 0
    for span in spans:
        words += query[start : span.start].split()
        start = span.end
    words += query[start:].split()
    return " ".join(word for word in words if word not in {",", ";", "-", "."}).strip(" ,;")
