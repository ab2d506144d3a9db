"""Cache of one value for a short time, shared by the threads of a process."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeGuard, TypeVar

DEFAULT_TTL = timedelta(seconds=1)

Value = TypeVar("Value")


class TtlCache(Generic[Value]):
    """The result of `read(now)`, read again once it is older than `kept`.

    A time before the last reading, as in a backtest, reads again. While one thread reads, the others
    get the previous value if it is younger than twice `kept`; otherwise they wait. An error of `read` goes to
    the caller, and the previous value stays.
    """

    def __init__(self, read: Callable[[datetime], Value], *, ttl: timedelta = DEFAULT_TTL):
        self._read, self._ttl = read, ttl
        self._entry: tuple[datetime, Value] | None = None  # when it was read, and the value
        self._reading = threading.Lock()

    def at(self, now: datetime) -> Value:
        """The value as of this time."""
        entry = self._entry
        if self._is_within(entry, now, self._ttl):
            return entry[1]
        if not self._reading.acquire(blocking=not self._is_within(entry, now, 2 * self._ttl)):
            assert entry is not None  # without an entry, a thread waits above
            return entry[1]
        try:
            entry = self._entry
            if not self._is_within(entry, now, self._ttl):  # another thread may have read it meanwhile
                entry = self._entry = (now, self._read(now))
            return entry[1]
        finally:
            self._reading.release()

    def _is_within(
        self, entry: tuple[datetime, Value] | None, now: datetime, age: timedelta
    ) -> TypeGuard[tuple[datetime, Value]]:
        return entry is not None and timedelta(0) <= now - entry[0] < age

    def forget(self) -> None:
        """Drop the value: the next call reads."""
        self._entry = None
