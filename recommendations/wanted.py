"""What somebody looks for: a query as it was read, its spelling mended, its price and place as filters."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace

from listings.words import words_in
from recommendations.asking_words import Understood, understand
from recommendations.filters import Filters
from recommendations.highlighting import STOP_WORDS
from recommendations.spelling import mend

PLACE = frozenset({"lat", "lon", "radius_km"})  # they only mean something together


@dataclass(frozen=True)
class Wanted:
    """The words that are looked for, and the filters that the caller gave or that the query spoke of."""

    words: str
    given: Filters
    understood: tuple[Understood, ...] = ()  # of their filters only those that count
    mended: dict[str, str] = field(default_factory=dict)  # what was written -> what is looked for

    @property
    def filters(self) -> Filters:
        return self.filters_without(())

    def filters_without(self, dropped: Iterable[Understood]) -> Filters:
        """The filters as if these parts had not been in the query."""
        kept = [part for part in self.understood if part not in dropped]
        return replace(self.given, **{name: value for part in kept for name, value in part.filters.items()})

    @property
    def is_nothing(self) -> bool:
        """Neither words nor a filter."""
        return not self.words and self.filters.leave_all

    @property
    def says_something(self) -> bool:
        """Whether there is a word to look for: stop words, operators and emoji are none."""
        return not STOP_WORDS.issuperset(words_in(self.words))


def read_query(query: str, given: Filters, *, understanding: bool, mending: bool) -> Wanted:
    """Take price and place out of the query, and mend what remains.

    A filter that the caller gave goes before what the query says of the same, or against it.
    """
    words, understood = " ".join(query.split()), ()
    if understanding:
        asked = understand(query)
        words, understood = asked.words, tuple(_beside(given, part) for part in asked.understood)
    if not mending:
        return Wanted(words, given, understood)
    mended = mend(words)
    return Wanted(mended.words, given, understood, mended.replaced)


def _beside(given: Filters, part: Understood) -> Understood:
    """The part, with those of its filters that the caller neither gave nor contradicts."""
    taken = {name for name, value in asdict(given).items() if value is not None}
    taken = taken | PLACE if "radius_km" in taken else taken - PLACE  # where somebody is keeps nothing out
    kept = {
        name: value
        for name, value in part.filters.items()
        if name not in taken and not _contradicts(name, value, given)
    }
    return Understood(part.text, kept)


def _contradicts(name: str, value: object, given: Filters) -> bool:
    if name == "min_price":
        return given.max_price is not None and value > given.max_price
    if name == "max_price":
        return given.min_price is not None and value < given.min_price
    return False
