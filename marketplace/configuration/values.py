"""Parsing of environment variables, and one-line messages for invalid ones."""

import difflib
import json
import math
from collections.abc import Mapping
from typing import Any


def weights_in(text: str) -> dict[str, float] | None:
    """The numbers in a text like `view=1,click=1.5`; None when it is malformed or repeats a name."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    try:
        weights = {kind.strip(): float(weight) for kind, _, weight in pairs}
    except ValueError:
        return None
    return weights if len(weights) == len(pairs) else None


def event_weights_or_refuse(value: object, defaults: dict[str, float]) -> dict[str, float]:
    """The default weights, overridden by those in a text or a dict. Raises ValueError."""
    overrides = weights_in(value) if isinstance(value, str) else value
    weights = defaults | overrides if isinstance(overrides, dict) else {}
    if weights.keys() != defaults.keys() or not can_weigh(list(weights.values())):
        kinds = ", ".join(defaults)
        raise ValueError(f"numbers of 0 or more, one of them above 0, for {kinds}, as in view=1,message=6")
    return weights


def can_weigh(weights: list[float]) -> bool:
    return all(map(is_weight, weights)) and any(weights)


def is_weight(weight: float) -> bool:
    return math.isfinite(weight) and weight >= 0


def time_zone_or_refuse(name: str) -> str:
    """The name, if it is a time zone. Raises ValueError with the most similar name."""
    from zoneinfo import available_timezones

    if name not in available_timezones():
        similar = difflib.get_close_matches(name, available_timezones(), n=1)
        raise ValueError("a zone such as " + (similar[0] if similar else "Europe/London"))
    return name


def in_one_line(problem: Mapping[str, Any]) -> str:
    """The message for one of pydantic's errors: variable, value, accepted values."""
    name = str(problem["loc"][0]).upper()
    accepted = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    value = "(hidden)" if name in {"SECRET_KEY", "DATABASE_URL", "REDIS_URL"} else _short(problem["input"])
    return f"{name}: found {value}; accepted: {_plain(accepted)}."


def _short(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


def _plain(message: str) -> str:
    if "boolean" in message:
        return "true or false"
    return message.split(", unable to parse")[0].rstrip(".").replace("String should", "text that should")
