"""Words of category names: a listing is found by the names of its category, too."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from listings.models import Category
from listings.words import stem, words_in
from recommendations.core.ttl_cache import TtlCache
from recommendations.query_parsing.stop_words import STOP_WORDS
from recommendations.query_parsing.synonyms import Phrase, stems_of
from recommendations.query_parsing.wording import Unit

READ_AFTER = timedelta(seconds=5)
ROOT, SHARED, NAMED = 0.4, 0.55, 0.75  # how much a name says of a listing below it


@dataclass(frozen=True)
class CategoryName:
    """A category with the stems of its own name and of the names above it."""

    pk: int
    levels: tuple[frozenset[str], ...]  # from the root down
    things: tuple[
        frozenset[str], ...
    ]  # of each level, what it names: `tables`, `chairs` of `Dining Tables & Chairs`

    def support(self, words: Phrase) -> float:
        """How far the names hold all these words, between 0 and 1.

        A deep name says more than a root, and the thing that it names more than a word before it.
        """
        stems = stems_of(words)
        depths = [
            max((depth for depth, level in enumerate(self.levels) if root in level), default=-1)
            for root in stems
        ]
        if min(depths) < 0:
            return 0.0
        things = self.things[depths[-1]]
        if depths[-1] == 0 or stems[-1] not in things:
            return ROOT
        return NAMED if len(things) == 1 else SHARED


def supporting(unit: Unit, now: datetime) -> dict[int, float]:
    """Category id -> how much it says for this unit, where its names hold one of the phrases."""
    if unit.is_phrase:
        return {}
    phrases = (unit.words, *unit.others)
    support = {name.pk: max(map(name.support, phrases)) for name in _names.at(now)}
    return {pk: value for pk, value in support.items() if value}


def names(now: datetime) -> dict[int, frozenset[str]]:
    """Category id -> the stems of its own name."""
    return {name.pk: name.levels[-1] for name in _names.at(now)}


def forget() -> None:
    """Read the categories again at the next search."""
    _names.forget()


def _read(now: datetime) -> tuple[CategoryName, ...]:
    return tuple(_name(pk, path) for pk, path in Category.objects.values_list("pk", "path"))


def _name(pk: int, path: str) -> CategoryName:
    names = path.split(Category.SEPARATOR)
    words = [[word for word in words_in(name) if word not in STOP_WORDS] for name in names]
    things = [{words_in(part)[-1] for part in re.split("[,&]", name) if words_in(part)} for name in names]
    return CategoryName(pk, _stems(words), _stems(things))


def _stems(levels: Iterable[Iterable[str]]) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(map(stem, level)) for level in levels)


_names: TtlCache[tuple[CategoryName, ...]] = TtlCache(_read, ttl=READ_AFTER)
