"""Hints for an empty result: the parts of the query without which there are matches."""

from collections.abc import Sequence
from dataclasses import dataclass

from recommendations.query_parsing.parsed_query import ParsedQuery
from recommendations.query_parsing.understanding import QueryPart
from recommendations.search.matching import PreparedQuery

MOST_PARTS = 3  # of a query that are dropped in turn: each costs as much as a search
SILENT = "These words say nothing that could be looked for."


@dataclass(frozen=True)
class DroppedPart:
    """A part of a query that could be dropped, and how many listings would match then."""

    text: str
    count: int


@dataclass(frozen=True)
class EmptyResultHint:
    """The sentence for an empty result, and the parts without which there are matches."""

    text: str
    without: tuple[DroppedPart, ...] = ()


def hint_for(question: PreparedQuery, query: ParsedQuery) -> EmptyResultHint:
    """Drop each part of the query that became filters, and count the matches of the others.

    If none helps, all are dropped at once. Counts the listings of `Question.matching`.
    """
    if question.has_only_stop_words:
        return EmptyResultHint(SILENT)
    parts = [part for part in query.understood if part.filters][:MOST_PARTS]
    options = [_without(question, query, [part]) for part in parts]
    if len(parts) > 1 and not any(option.count for option in options):
        options = [_without(question, query, parts)]
    helpful = tuple(option for option in options if option.count)
    words = [f"for “{query.words}”"] if query.words else []
    nothing = " ".join(["Nothing", *(words + [part.text for part in parts] or ["matches"])])
    alternatives = [f"{option.count} without “{option.text}”" for option in helpful]
    return EmptyResultHint("; ".join([nothing, *alternatives]) + ".", helpful)


def _without(question: PreparedQuery, query: ParsedQuery, dropped: Sequence[QueryPart]) -> DroppedPart:
    filters = query.filters_without(dropped)
    count = question.matching(filters, question.match(filters)).count()
    return DroppedPart(" ".join(part.text for part in dropped), count)
