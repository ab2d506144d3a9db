"""A stretch of a query that was understood."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """From where to where in the query, in characters, and the filters it stands for."""

    start: int
    end: int
    filters: dict[str, object]


def ends_or_meets(query: str, position: int, spans: Iterable[Span] = ()) -> bool:
    """Whether nothing but blanks and commas stands between here and the end, or something understood."""
    while position < len(query) and query[position] in " ,;.":
        position += 1
    return position == len(query) or any(span.start == position for span in spans)
