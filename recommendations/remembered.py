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
    with what was read before, if it is hardly older than it may be, else they wait. Where reading fails, its
    error goes to the caller and nothing is kept of it.
    """

    def __init__(self, read: Callable[[datetime], Value], *, kept: timedelta = KEPT):
        self._read, self._lasts = read, kept
        self._kept: tuple[datetime, Value] | None = None
        self._reading = threading.Lock()

    def at(self, now: datetime) -> Value:
        kept = self._kept
        if self._is_within(kept, now, self._lasts):
            return kept[1]
        if not self._reading.acquire(blocking=not self._is_within(kept, now, 2 * self._lasts)):
            return kept[1]
        try:
            kept = self._kept
            if not self._is_within(kept, now, self._lasts):  # nor was it read by another thread since
                kept = self._kept = (now, self._read(now))
            return kept[1]
        finally:
            self._reading.release()

    def _is_within(self, kept: tuple[datetime, Value] | None, now: datetime, span: timedelta) -> bool:
        return kept is not None and timedelta(0) <= now - kept[0] < span

    def forget(self) -> None:
        """The next call reads."""
        self._kept = None
