"""Stretches of a query, by character positions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

FilterValues = Mapping[str, Decimal | float]  # by the names in Filters: prices are Decimal, places are float


class Span(Protocol):
    """A stretch of a query."""

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...


@dataclass(frozen=True)
class QuerySpan:
    """A stretch of a query and the filters that it stands for."""

    start: int
    end: int
    filters: FilterValues


def is_apart(start: int, end: int, spans: Iterable[Span]) -> bool:
    """Whether the characters from start to end belong to none of these spans."""
    return all(end <= span.start or start >= span.end for span in spans)
