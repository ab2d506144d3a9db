"""Counts of what a search matches: by category on every level, by condition, and by bands of prices."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from typing import Any

from django.db.models import Case, Count, QuerySet, Value, When

from listings.models import Category, Listing
from recommendations.retrieval.filters import Filters

BAND_STARTS = tuple(map(Decimal, (0, 10, 25, 50, 100, 250, 500, 1000, 5000)))

Matching = Callable[[Filters], QuerySet[Listing]]  # the listings that match within these filters


@dataclass(frozen=True)
class PriceBand:
    """Prices from `low` to below `high`; None: without an end."""

    low: Decimal
    high: Decimal | None
    count: int


@dataclass(frozen=True)
class Facets:
    """Numbers of matches, the largest first; bands in their order. Each leaves out its own filter."""

    categories: dict[str, int] = field(default_factory=dict)  # path of any level -> listings in and below it
    conditions: dict[str, int] = field(default_factory=dict)
    prices: tuple[PriceBand, ...] = ()

    @property
    def roots(self) -> dict[str, int]:
        """Root category -> number of matches."""
        return {path: count for path, count in self.categories.items() if Category.SEPARATOR not in path}


def count(filters: Filters, matching: Matching) -> Facets:
    """The facets of a search. Filters that are set cost another search each: their facet leaves them out."""
    grouped = cache(lambda within: _grouped(matching(within)))
    return Facets(
        _by_category(grouped(replace(filters, category=None))),
        _by_condition(grouped(replace(filters, condition=None))),
        _by_price(grouped(replace(filters, min_price=None, max_price=None))),
    )


_Group = tuple[str, str, int, int]  # path, condition, band of price, number of listings


def _grouped(listings: QuerySet[Listing]) -> list[_Group]:
    """Numbers of listings of the same category, condition and band, in one query."""
    bands: list[Any] = [
        When(price__gte=start, then=Value(band)) for band, start in reversed(list(enumerate(BAND_STARTS)))
    ]
    rows = listings.values_list("category__path", "condition").annotate(
        band=Case(*bands, default=Value(0)), count=Count("pk")
    )
    return list(rows.order_by())


def _by_category(groups: Iterable[_Group]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for path, _, _, number in groups:
        names = path.split(Category.SEPARATOR)
        for depth in range(1, len(names) + 1):
            counts[Category.SEPARATOR.join(names[:depth])] += number
    return _most_first(counts)


def _by_condition(groups: Iterable[_Group]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for _, condition, _, number in groups:
        counts[condition] += number
    return _most_first(counts)


def _by_price(groups: Iterable[_Group]) -> tuple[PriceBand, ...]:
    counts: dict[int, int] = defaultdict(int)
    for _, _, band, number in groups:
        counts[band] += number
    ends = (*BAND_STARTS[1:], None)
    return tuple(PriceBand(BAND_STARTS[band], ends[band], counts[band]) for band in sorted(counts))


def _most_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
