"""What a process reads again and again, kept for a moment."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

KEPT = timedelta(seconds=1)

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """The answer of `read(now)`, asked for once a second at most, or as told, while time goes on.

    A time before the last reading, as a replay has it, reads anew. While one thread reads, the others go on
    with what was read before. Where reading fails, its error goes to the caller and nothing is kept of it.
    """

    def __init__(self, read: Callable[[datetime], Value], *, kept: timedelta = KEPT):
        self._read, self._lasts = read, kept
        self._kept: tuple[datetime, Value] | None = None
        self._reading = threading.Lock()

    def at(self, now: datetime) -> Value:
        kept = self._kept
        if self._holds(kept, now):
            return kept[1]
        if not self._reading.acquire(blocking=kept is None):
            return kept[1]
        try:
            if not self._holds(self._kept, now):  # read by another thread since
                self._kept = (now, self._read(now))
            return self._kept[1]
        finally:
            self._reading.release()

    def _holds(self, kept: tuple[datetime, Value] | None, now: datetime) -> bool:
        return kept is not None and timedelta(0) <= now - kept[0] < self._lasts

    def forget(self) -> None:
        """The next call reads."""
        self._kept = None
