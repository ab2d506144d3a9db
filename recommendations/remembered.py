"""What a process reads again and again, kept for a moment."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

KEPT = timedelta(seconds=1)

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """The answer of `read(now)`, asked for once a second at most, or as told, while time goes on.

    A time before the last reading, as a replay has it, reads anew. Threads may read at once; each gets what
    holds. Where reading fails, its error goes to the caller and nothing is kept of it.
    """

    def __init__(self, read: Callable[[datetime], Value], *, kept: timedelta = KEPT):
        self._read, self._lasts = read, kept
        self._kept: tuple[datetime, Value] | None = None

    def at(self, now: datetime) -> Value:
        kept = self._kept
        if kept is None or not timedelta(0) <= now - kept[0] < self._lasts:
            kept = self._kept = (now, self._read(now))
        return kept[1]

    def forget(self) -> None:
        """The next call reads."""
        self._kept = None
