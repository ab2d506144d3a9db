"""Parsed search query: words with corrected spelling, and filters from its prices and places."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from listings.words import words_in
from recommendations.query_parsing import wording
from recommendations.query_parsing.operators import NO_OPERATORS, Operators
from recommendations.query_parsing.places import large_places
from recommendations.query_parsing.spelling import Correction, correct_spelling
from recommendations.query_parsing.stop_words import STOP_WORDS
from recommendations.query_parsing.synonyms import Synonyms, synonyms
from recommendations.query_parsing.understanding import QueryPart, UnderstoodQuery, joined_words, understand
from recommendations.query_parsing.vocabulary import vocabulary
from recommendations.query_parsing.wording import Wording
from recommendations.retrieval.filters import Filters

PLACE = frozenset({"lat", "lon", "radius_km"})  # filters that only have a meaning together


@dataclass(frozen=True)
class ParsedQuery:
    """The words of a query, the caller's filters, and the parts of the query that became filters."""

    plain: str  # the words that no operator holds, spelling corrected
    written: str  # the same as they were written
    caller_filters: Filters  # the caller's
    operators: Operators = NO_OPERATORS
    understood: tuple[QueryPart, ...] = ()  # with the filters that apply beside the caller's
    mended: dict[str, str] = field(default_factory=dict)  # misspelt word -> its correction
    offered: dict[str, str] = field(default_factory=dict)  # rare word -> a frequent word near it
    unread: tuple[str, ...] = ()  # what could not be read
    synonyms: Synonyms = field(default_factory=Synonyms)

    @property
    def words(self) -> str:
        """All words that are looked for."""
        return joined_words(self.plain, self.operators)

    @property
    def wording(self) -> Wording:
        """What a listing has to say."""
        read = self.plain
        for text in self.unread:
            read = read.replace(text, " ")
        return wording.word(read, self.operators, vocabulary(), self.synonyms)

    @property
    def filters(self) -> Filters:
        return self.filters_without(())

    def filters_without(self, dropped: Iterable[QueryPart]) -> Filters:
        """All filters but those of these parts."""
        kept = [part for part in self.understood if part not in dropped]
        values: dict[str, Any] = {name: value for part in kept for name, value in part.filters.items()}
        return replace(self.caller_filters, **values)

    def as_written(self) -> "ParsedQuery":
        """The query with its words as they were written, and the corrections offered beside them."""
        return replace(self, plain=self.written, mended={}, offered=self.offered | self.mended)

    @property
    def is_empty(self) -> bool:
        """Whether the query has neither words nor filters."""
        return not self.words and self.filters.pass_everything

    @property
    def has_search_words(self) -> bool:
        """Whether the query has a word to search for. Stop words, operators and emoji do not count."""
        return not STOP_WORDS.issuperset(words_in(self.words))


def parse_query(
    query: str, filters: Filters, *, understanding: bool, mending: bool, now: datetime
) -> ParsedQuery:
    """Turn operators, prices and places of a query into what they stand for, and correct its other words.

    A filter of the query is dropped when the caller gave the same one, or one that contradicts it.
    """
    understood = UnderstoodQuery(" ".join(query.split()))
    if understanding:
        understood = understand(query, large_places(now))
    parts = [_beside(filters, part) for part in understood.understood]
    unplaced = [part.text for part in parts if part.radius_km is not None and not part.filters]
    known = synonyms(now)
    correction = Correction(understood.plain)
    if mending:
        correction = correct_spelling(understood.plain, known)
    return ParsedQuery(
        plain=correction.words,
        written=understood.plain,
        caller_filters=filters,
        operators=understood.operators,
        understood=tuple(part for part in parts if part.text not in unplaced),
        mended=correction.replaced,
        offered=correction.offered,
        unread=(*understood.unread, *unplaced),
        synonyms=known,
    )


def _beside(filters: Filters, part: QueryPart) -> QueryPart:
    """The part with those of its filters that the caller neither gave nor contradicts."""
    if part.radius_km is not None:
        may_be = filters.stated_location is not None and filters.radius_km is None
        return replace(part, filters={"radius_km": part.radius_km} if may_be else {})
    taken = {name for name, value in asdict(filters).items() if value is not None}
    # Coordinates without a radius are the caller's location, and filter nothing.
    taken = taken | PLACE if "radius_km" in taken else taken - PLACE
    kept = {
        name: value
        for name, value in part.filters.items()
        if name not in taken and not _contradicts(name, value, filters)
    }
    return replace(part, filters=kept)


def _contradicts(name: str, value: Decimal | float, filters: Filters) -> bool:
    if name == "min_price":
        return filters.max_price is not None and value > filters.max_price
    if name == "max_price":
        return filters.min_price is not None and value < filters.min_price
    return False
