"""Values of dataclasses converted to JSON types."""

from collections.abc import Mapping
from datetime import datetime
from math import isnan
from typing import Any


def to_json_values(value: Any) -> Any:
    """The value with times in ISO 8601, NaN as None and tuples as lists, at any depth."""
    match value:
        case Mapping():
            return {key: to_json_values(each) for key, each in value.items()}
        case list() | tuple():
            return [to_json_values(each) for each in value]
        case datetime():
            return value.isoformat()
        case float() if isnan(value):
            return None
        case _:
            return value
