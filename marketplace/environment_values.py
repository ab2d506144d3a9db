"""How values of environment variables are read, and how bad ones are told."""

import difflib
import json
import math
from urllib.parse import urlsplit


def weights_in(text: str) -> dict[str, float] | None:
    """What `view=1,click=1.5` says; None when it does not read like that, or names something twice."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    try:
        weights = {kind.strip(): float(weight) for kind, _, weight in pairs}
    except ValueError:
        return None
    return weights if len(weights) == len(pairs) else None


def event_weights_or_refuse(value: object, usual: dict[str, float]) -> dict[str, float]:
    """What is given, in text or as it is, over the usual weights. Raises ValueError."""
    given = weights_in(value) if isinstance(value, str) else value
    weights = usual | given if isinstance(given, dict) else {}
    if weights.keys() != usual.keys() or not can_weigh(list(weights.values())):
        kinds = ", ".join(usual)
        raise ValueError(f"numbers of 0 or more, one of them above 0, for {kinds}, as in view=1,message=6")
    return weights


def can_weigh(weights: list[float]) -> bool:
    return all(map(is_weight, weights)) and any(weights)


def is_weight(weight: float) -> bool:
    return math.isfinite(weight) and weight >= 0


def is_address(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in schemes and parts.port != 0  # a port that is no number is a ValueError
    except ValueError:
        return False


def time_zone_or_refuse(name: str) -> str:
    """The name of a time zone. Raises ValueError with the nearest one there is."""
    from zoneinfo import available_timezones

    if name not in available_timezones():
        near = difflib.get_close_matches(name, available_timezones(), n=1)
        raise ValueError("a zone such as " + (near[0] if near else "Europe/London"))
    return name


def in_one_line(problem) -> str:
    name = str(problem["loc"][0]).upper()
    accepted = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    found = "(hidden)" if name in {"SECRET_KEY", "DATABASE_URL", "REDIS_URL"} else _short(problem["input"])
    return f"{name}: found {found}; accepted: {_plain(accepted)}."


def _short(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


def _plain(message: str) -> str:
    if "boolean" in message:
        return "true or false"
    return message.split(", unable to parse")[0].rstrip(".").replace("String should", "text that should")
