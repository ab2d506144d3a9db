"""Parsed search query: words with corrected spelling, and filters from its prices and places."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from listings.words import words_in
from recommendations.query_parsing.spelling import correct_spelling
from recommendations.query_parsing.stop_words import STOP_WORDS
from recommendations.query_parsing.understanding import QueryPart, understand
from recommendations.retrieval.filters import Filters

PLACE = frozenset({"lat", "lon", "radius_km"})  # filters that only have a meaning together


@dataclass(frozen=True)
class ParsedQuery:
    """The words of a query, the caller's filters, and the parts of the query that became filters."""

    words: str
    caller_filters: Filters  # the caller's
    understood: tuple[QueryPart, ...] = ()  # with the filters that apply beside the caller's
    mended: dict[str, str] = field(default_factory=dict)  # misspelt word -> its correction

    @property
    def filters(self) -> Filters:
        return self.filters_without(())

    def filters_without(self, dropped: Iterable[QueryPart]) -> Filters:
        """All filters but those of these parts."""
        kept = [part for part in self.understood if part not in dropped]
        values: dict[str, Any] = {name: value for part in kept for name, value in part.filters.items()}
        return replace(self.caller_filters, **values)

    @property
    def is_empty(self) -> bool:
        """Whether the query has neither words nor filters."""
        return not self.words and self.filters.pass_everything

    @property
    def has_search_words(self) -> bool:
        """Whether the query has a word to search for. Stop words, operators and emoji do not count."""
        return not STOP_WORDS.issuperset(words_in(self.words))


def parse_query(query: str, filters: Filters, *, understanding: bool, mending: bool) -> ParsedQuery:
    """Turn prices and places of a query into filters, and correct the spelling of its other words.

    A filter of the query is dropped when the caller gave the same one, or one that contradicts it.
    """
    words = " ".join(query.split())
    understood: tuple[QueryPart, ...] = ()
    if understanding:
        understood_query = understand(query)
        words = understood_query.words
        understood = tuple(_beside(filters, part) for part in understood_query.understood)
    if not mending:
        return ParsedQuery(words, filters, understood)
    correction = correct_spelling(words)
    return ParsedQuery(correction.words, filters, understood, correction.replaced)


def _beside(filters: Filters, part: QueryPart) -> QueryPart:
    """The part with those of its filters that the caller neither gave nor contradicts."""
    taken = {name for name, value in asdict(filters).items() if value is not None}
    # Coordinates without a radius are the caller's location, and filter nothing.
    taken = taken | PLACE if "radius_km" in taken else taken - PLACE
    kept = {
        name: value
        for name, value in part.filters.items()
        if name not in taken and not _contradicts(name, value, filters)
    }
    return QueryPart(part.text, kept)


def _contradicts(name: str, value: Decimal | float, filters: Filters) -> bool:
    if name == "min_price":
        return filters.max_price is not None and value > filters.max_price
    if name == "max_price":
        return filters.min_price is not None and value < filters.min_price
    return False
