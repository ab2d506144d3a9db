"""What to say of an empty result: what was looked for, and which part of the query leaves nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from recommendations.asking_words import Understood
from recommendations.matching import Question
from recommendations.wanted import Wanted

MOST_PARTS = 3  # of a query that are tried: each costs as much as a search
SILENT = "These words say nothing that could be looked for."


@dataclass(frozen=True)
class Without:
    """A part of a query that could be dropped, and how many listings would match then."""

    text: str
    count: int


@dataclass(frozen=True)
class Hint:
    """Why nothing was found, and what would help: without each of these parts there is something."""

    text: str
    without: tuple[Without, ...] = ()


def hint_for(question: Question, wanted: Wanted) -> Hint:
    """What the same question finds without one of the parts that were understood; without all, if none helps.

    Counted anew, as `Question.matching` does.
    """
    if question.is_silent:
        return Hint(SILENT)
    parts = [part for part in wanted.understood if part.filters][:MOST_PARTS]
    without = [_without(question, wanted, [part]) for part in parts]
    if len(parts) > 1 and not any(option.count for option in without):
        without = [_without(question, wanted, parts)]
    helpful = tuple(option for option in without if option.count)
    asked = [f"for “{wanted.words}”"] if wanted.words else []
    nothing = " ".join(["Nothing", *(asked + [part.text for part in parts] or ["matches"])])
    but = [f"{option.count} without “{option.text}”" for option in helpful]
    return Hint("; ".join([nothing, *but]) + ".", helpful)


def _without(question: Question, wanted: Wanted, dropped: Sequence[Understood]) -> Without:
    filters = wanted.filters_without(dropped)
    count = question.matching(filters, question.match(filters)).count()
    return Without(" ".join(part.text for part in dropped), count)
