"""Everyday intents with rules for what is right, read from a JSON file."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.protocol import BadData

FIRST = 10
FEW = 3  # listings that may be shown where nothing of the kind is on sale
FIELDS = frozenset({"q", "title", "text", "category", "mode", "exclude", "min_price", "max_price", "none"})


@dataclass(frozen=True)
class Advert:
    """What a rule looks at."""

    title: str
    category: str
    price: float
    description: str


@dataclass(frozen=True)
class Intent:
    """A query, and a rule for the adverts that are right for it.

    title, text (title and description), category and exclude (title) are regular expressions, case ignored.
    is_all: all of them have to match, else one of them. is_absent: nothing of the kind is on sale.
    """

    query: str
    title: re.Pattern[str] | None = None
    text: re.Pattern[str] | None = None
    category: re.Pattern[str] | None = None
    exclude: re.Pattern[str] | None = None
    is_all: bool = False
    min_price: float = 0.0
    max_price: float = float("inf")
    is_absent: bool = False

    def is_right(self, advert: Advert) -> bool:
        """Whether this advert is right."""
        if not self.min_price <= advert.price <= self.max_price:
            return False
        if self.exclude and self.exclude.search(advert.title):
            return False
        places = (
            (self.title, advert.title),
            (self.text, f"{advert.title} {advert.description}"),
            (self.category, advert.category),
        )
        matches = [bool(pattern.search(text)) for pattern, text in places if pattern]
        return all(matches) if self.is_all else any(matches)

    def precision(self, found: list[Advert], right_count: int, has_hint: bool) -> float:
        """Share of the first FIRST places that are right, among as many as there could be.

        Where nothing is on sale, a page of at most FEW items or a hint is right.
        """
        if self.is_absent:
            return float(len(found) <= FEW or has_hint)
        return sum(map(self.is_right, found[:FIRST])) / max(1, min(FIRST, right_count))


def read_intents(path: Path) -> list[Intent]:
    """The intents of a file, in its order.   Raises BadData."""
    try:
        return [_intent(fields) for fields in json.loads(path.read_text())]
    except (ValueError, KeyError, TypeError, re.error) as error:
        raise BadData(
            f"{path} holds no intents: {error}. Accepted: a list of objects with `q` and rules."
        ) from None


def _intent(fields: dict) -> Intent:
    if unknown := fields.keys() - FIELDS:
        raise ValueError(f"unknown field {sorted(unknown)[0]!r}")
    patterns = {
        name: re.compile(fields[name], re.IGNORECASE)
        for name in ("title", "text", "category", "exclude")
        if fields.get(name)
    }
    return Intent(
        query=fields["q"],
        **patterns,
        is_all=fields.get("mode", "any") == "all",
        min_price=float(fields.get("min_price", 0)),
        max_price=float(fields.get("max_price", "inf")),
        is_absent=bool(fields.get("none")),
    )
