"""Values of dataclasses converted to JSON types."""

from collections.abc import Mapping
from datetime import datetime
from math import isnan
from typing import Any


def plain(value: Any) -> Any:
    """The value with times in ISO 8601, NaN as None and tuples as lists, at any depth."""
    match value:
        case Mapping():
            return {key: plain(each) for key, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case datetime():
            return value.isoformat()
        case float() if isnan(value):
            return None
        case _:
            return value
