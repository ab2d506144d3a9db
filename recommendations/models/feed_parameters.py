"""Parameters of a feed, as one value. Experiments vary them, and slates record them."""

import math
from collections.abc import Iterable
from dataclasses import Field, asdict, dataclass, field, fields
from typing import Any

from listings.errors import Invalid

GREATEST_MULTIPLIER = 10.0


class BadParameters(Invalid):
    """Parameters that are not accepted. `field` names the wrong one, None where it is not a single one."""


def _within(default: float, least: float, most: float, means: str) -> Any:
    """A field of the default's type, from least to most, both included. means: its explanation for people."""
    return field(default=default, metadata={"least": least, "most": most, "means": means})


@dataclass(frozen=True)
class FeedParameters:
    """The parameters, checked. A float field accepts an int, too.   Raises BadParameters."""

    relevance_share: float = _within(0.9, 0, 1, "how much relevance counts, the rest being variety")
    seller_cap: int = _within(3, 1, 20, "listings of one seller in any 20 places in a row")
    category_cap: int = _within(16, 1, 20, "listings of one category in any 20 places in a row")
    explore_share: float = _within(0.1, 0, 0.5, "the share of places for listings that few have seen")
    rest_after: int = _within(3, 1, 100, "showings without a click, after which a listing rests for a day")
    source_weights: dict[str, float] = field(  # multipliers; a source that is not named keeps its weight
        default_factory=dict,
        metadata={
            "means": f"a source's name: what its weight is multiplied by, 0 to {GREATEST_MULTIPLIER:g}"
        },
    )

    def __post_init__(self) -> None:
        for each in _ranged():
            _check(each.name, getattr(self, each.name), each.type, **_range_of(each))
        if not isinstance(self.source_weights, dict):
            raise BadParameters(
                "source_weights: expected an object of names and numbers.", field="source_weights"
            )
        for source, multiplier in self.source_weights.items():
            if not isinstance(source, str):
                raise BadParameters("source_weights: a name is a string.", field="source_weights")
            name = f"source_weights.{source}"
            _check(name, multiplier, float, least=0, most=GREATEST_MULTIPLIER)

    @classmethod
    def from_json(cls, values: Any) -> "FeedParameters":
        """From a JSON object; parameters left out have their defaults.   Raises BadParameters."""
        if not isinstance(values, dict):
            raise BadParameters("Expected an object such as " + '{"explore_share": 0.2}.')
        known = [each.name for each in fields(cls)]
        for name in values:
            if name not in known:
                raise BadParameters(f"There is no parameter {name!r}; known: {', '.join(known)}.", field=name)
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """All parameters, as from_json reads them."""
        return asdict(self)

    def require_sources(self, known: Iterable[str]) -> None:
        """Raises BadParameters for a multiplier of an unknown source, which would change nothing."""
        names = list(known)
        for source in self.source_weights:
            if source not in names:
                message = f"There is no source {source!r}; known: {', '.join(names)}."
                raise BadParameters(message, field=f"source_weights.{source}")


def described_parameters() -> list[tuple[str, str]]:
    """Name and explanation of each parameter, with default and range, for people who set them."""
    ranged = [
        (each.name, "{means} ({default}; {least} to {most})".format(default=each.default, **each.metadata))
        for each in _ranged()
    ]
    return [
        *ranged,
        ("source_weights", FeedParameters.__dataclass_fields__["source_weights"].metadata["means"]),
    ]


def _ranged() -> list[Field]:
    return [each for each in fields(FeedParameters) if "least" in each.metadata]


def _range_of(each: Field) -> dict[str, float]:
    return {"least": each.metadata["least"], "most": each.metadata["most"]}


def _check(name: str, value: Any, kind: object, *, least: float, most: float) -> None:
    accepted = (int,) if kind is int else (int, float)
    # True is an int to Python, and NaN is in no range.
    is_number = isinstance(value, accepted) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not least <= value <= most:
        numbers = "a whole number" if kind is int else "a number"
        message = f"{name}: found {value!r}; expected {numbers} from {least:g} to {most:g}."
        raise BadParameters(message, field=name)
