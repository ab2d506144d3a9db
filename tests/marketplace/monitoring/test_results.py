"""One check: its status, and the readiness that several give."""

import pytest

from marketplace.monitoring.results import (
    DEGRADED,
    OK,
    OVER,
    READY,
    UNKNOWN,
    UNREADY,
    CheckResult,
    readiness_of,
)


class TestVerdict:
    def line(self, **fields) -> CheckResult:
        return CheckResult("name", "seconds", "", **fields)

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ({"value": 5, "limit": 5}, OK),
            ({"value": 5.1, "limit": 5}, OVER),
            ({"value": 5}, OK),
            ({"limit": 5}, UNKNOWN),
            ({"value": 0, "limit": 5, "problem": "broken"}, OVER),
        ],
    )
    def test_a_check_is_over_only_beyond_its_limit(self, fields, status):
        assert self.line(**fields).status == status

    def test_only_a_vital_check_makes_a_process_unready(self):
        fine, slow = self.line(value=1, limit=2), self.line(value=3, limit=2)
        dead = self.line(value=3, limit=2, is_vital=True)
        assert readiness_of([fine, self.line()]) == READY
        assert readiness_of([fine, slow]) == DEGRADED
        assert readiness_of([fine, slow, dead]) == UNREADY
