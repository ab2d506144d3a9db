"""Conversion of values to JSON types."""

import json
from datetime import UTC, datetime

from recommendations.core.json_values import to_json_values


def test_times_nan_and_tuples_become_json_types_at_any_depth():
    value = {"at": datetime(2026, 3, 2, tzinfo=UTC), "rows": [(1.5, float("nan")), {"name": (None, True)}]}
    expected = {"at": "2026-03-02T00:00:00+00:00", "rows": [[1.5, None], {"name": [None, True]}]}
    assert to_json_values(value) == expected
    assert json.loads(json.dumps(to_json_values(value), allow_nan=False)) == expected
