"""A line of health: one thing that is looked at, its limit, and what to do when it is over.

Vital lines are those without which answers are wrong or impossible: then a load balancer should ask another
process. With anything else feeds say `degraded`, and answer.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

OK, OVER, UNKNOWN = "ok", "over", "unknown"
READY, DEGRADED, UNREADY = "ready", "degraded", "unready"


@dataclass(frozen=True)
class Line:
    """One thing that is looked at. `problem` says what is wrong where no number can."""

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


def verdict_of(lines: Iterable[Line]) -> str:
    over = [line for line in lines if line.status == OVER]
    if any(line.is_vital for line in over):
        return UNREADY
    return DEGRADED if over else READY


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
