"""What dataclasses hold, as JSON can say it."""

from collections.abc import Mapping
from datetime import datetime
from math import isnan
from typing import Any


def plain(value: Any) -> Any:
    """The same with times in ISO 8601 and NaN as null, however deep; tuples become lists."""
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
