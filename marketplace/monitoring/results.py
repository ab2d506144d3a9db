"""Results of health checks: a value, its limit, and advice for the operator.

A vital check over its limit makes the process unready: its answers would be wrong, and a load balancer should
use another process. Any other check over its limit makes it degraded: feeds still answer.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

OK, OVER, UNKNOWN = "ok", "over", "unknown"
READY, DEGRADED, UNREADY = "ready", "degraded", "unready"


@dataclass(frozen=True)
class CheckResult:
    """The result of one check. `problem` describes a failure that has no number."""

    name: str
    unit: str
    meaning: str
    value: float | None = None
    limit: float | None = None
    advice: str = ""
    problem: str = ""
    is_vital: bool = False
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        if self.problem or (self.value is not None and self.limit is not None and self.value > self.limit):
            return OVER
        return UNKNOWN if self.value is None else OK

    def to_json(self) -> dict:
        return asdict(self) | {"status": self.status}


def readiness_of(lines: Iterable[CheckResult]) -> str:
    exceeded = [line for line in lines if line.status == OVER]
    if any(line.is_vital for line in exceeded):
        return UNREADY
    return DEGRADED if exceeded else READY


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type when it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
