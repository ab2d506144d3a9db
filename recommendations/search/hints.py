"""Hints for an empty result: the parts of the query without which something matches, the nearest category."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from listings.models import Category
from recommendations.query_parsing.parsed_query import ParsedQuery
from recommendations.query_parsing.understanding import QueryPart
from recommendations.search import categories
from recommendations.search.matching import PreparedQuery

MOST_PARTS = 3  # of a query that are dropped in turn: each costs as much as a search
SILENT = "These words say nothing that could be looked for."
PROBABLE = 0.2  # least probability of a category by the encoder


@dataclass(frozen=True)
class DroppedPart:
    """A part of a query that could be dropped, and how many listings would match then."""

    text: str
    count: int


@dataclass(frozen=True)
class EmptyResultHint:
    """The sentence for an empty result, the parts without which something matches, the nearest category."""

    text: str
    without: tuple[DroppedPart, ...] = ()
    category: str | None = None  # a path


def hint_for(question: PreparedQuery, query: ParsedQuery) -> EmptyResultHint:
    """Drop each part of the query that became filters, and count the matches of the others.

    If no single one helps, all are dropped at once, and if that does not help, each word. Counts the listings
    of `PreparedQuery.matching`.
    """
    if question.has_only_stop_words:
        return EmptyResultHint(SILENT)
    parts = [part for part in query.understood if part.filters][:MOST_PARTS]
    options = [_without_filters(question, query, [part]) for part in parts]
    if len(parts) > 1 and not any(option.count for option in options):
        options = [_without_filters(question, query, parts)]
    if not any(option.count for option in options):
        options = _without_words(question, query)
    helpful = tuple(option for option in options if option.count)
    words = [f"for “{query.words}”"] if query.words else []
    nothing = " ".join(["Nothing", *(words + [part.text for part in parts] or ["matches"])])
    alternatives = [f"{option.count} without “{option.text}”" for option in helpful]
    category = _nearest_category(question)
    if category is not None:
        alternatives.append(f"the nearest category is “{category}”")
    return EmptyResultHint("; ".join([nothing, *alternatives]) + ".", helpful, category)


def _without_filters(
    question: PreparedQuery, query: ParsedQuery, dropped: Sequence[QueryPart]
) -> DroppedPart:
    filters = query.filters_without(dropped)
    count = question.matching(filters, question.match(filters)).count()
    return DroppedPart(" ".join(part.text for part in dropped), count)


def _without_words(question: PreparedQuery, query: ParsedQuery) -> list[DroppedPart]:
    """Each unit of the words dropped, and how many listings by words support all others."""
    units = question.wording.single_words
    if len(units) < 2:
        return []
    options = []
    for dropped in units[:MOST_PARTS]:
        kept = tuple(unit for unit in units if unit != dropped)
        wording = replace(question.wording, units=kept, single_words=kept)
        by_words = replace(question, wording=wording, encoded=None)
        options.append(DroppedPart(" ".join(dropped.words), len(by_words.match(query.filters).whole)))
    return options


def _nearest_category(question: PreparedQuery) -> str | None:
    """The category that the query names, else one that the encoder finds probable; None without either."""
    named: dict[int, float] = {}
    for unit in question.wording.units:
        for pk, support in categories.supporting(unit, question.now).items():
            named[pk] = named.get(pk, 0.0) + support
    if named:
        return Category.objects.get(pk=max(named, key=lambda pk: (named[pk], -pk))).path
    if question.encoded is None:
        return None
    likely = [*question.encoded.leaves[:1], *question.encoded.roots[:1]]
    return next((one.path for one in likely if one.probability >= PROBABLE), None)
