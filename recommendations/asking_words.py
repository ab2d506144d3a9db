"""What a query says beside what is looked for: `sofa under £100 near Leeds`."""

from dataclasses import dataclass

from django.conf import settings

from recommendations.asking_places import places_in
from recommendations.asking_prices import prices_in
from recommendations.asking_spans import Span


@dataclass(frozen=True)
class Understood:
    """A part of a query and the filters it stands for, by their names in Filters."""

    text: str
    filters: dict[str, object]


@dataclass(frozen=True)
class Asked:
    """A query: what is looked for, and what it says about price and place."""

    words: str
    understood: tuple[Understood, ...] = ()

    @property
    def filters(self) -> dict[str, object]:
        """All of them, by the names of the fields of Filters; they never contradict each other."""
        return {name: value for part in self.understood for name, value in part.filters.items()}


def understand(query: str) -> Asked:
    """Take the words about price and place out of a query. What is not certain stays a word.

    `min_price` and `max_price` are Decimal, above 0 and no more than a price may be; `lat` and `lon` are
    degrees, `radius_km` goes with them.
    """
    prices = prices_in(query, settings.ENVIRONMENT.currency, settings.ENVIRONMENT.maximum_price)
    spans = sorted(prices + places_in(query, prices), key=lambda span: span.start)
    understood = tuple(Understood(query[span.start : span.end].strip(), span.filters) for span in spans)
    return Asked(_without(query, spans), understood)


def _without(query: str, spans: list[Span]) -> str:
    """The rest of the query, with single blanks and no comma left alone."""
    rest, start = [], 0
    for span in spans:
        rest += query[start : span.start].split()
        start = span.end
    rest += query[start:].split()
    return " ".join(word for word in rest if word not in {",", ";", "-", "."}).strip(" ,;")
