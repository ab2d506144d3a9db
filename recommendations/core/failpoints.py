"""Failpoints: places where tests kill or stop a process, as if its machine had lost power.

The environment variable CRASH_POINTS names a file, which a test may write while processes run. Each line is
a point and the signal for a process that reaches it. `index.written SIGKILL` kills it: no `finally` runs and
nothing is flushed. `embedding.claimed 17 SIGSTOP` stops a process that has claimed listing 17. Without
CRASH_POINTS a point costs nothing. No process starts with it where HTTPS is enforced, as in production.
"""

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from listings.errors import Invalid

FILE = os.environ.get("CRASH_POINTS")


def failpoint(point: str, listing_ids: Iterable[int] = ()) -> None:
    """Send this process the signal that CRASH_POINTS has for this point, if any."""
    if FILE and (name := _signal_at(Path(FILE), point, listing_ids)):
        os.kill(os.getpid(), signal.Signals[name])


def refuse_in_production() -> None:
    """Raises Invalid if CRASH_POINTS is set in a production installation."""
    if FILE and settings.SECURE_SSL_REDIRECT:
        raise Invalid("CRASH_POINTS is for tests: it ends processes. Unset it.")


def _signal_at(file: Path, point: str, listing_ids: Iterable[int]) -> str | None:
    """The name of the signal for this point, or None."""
    signals: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError):
        signals = dict(line.rsplit(" ", 1) for line in file.read_text().splitlines())
    return next(
        (signals[name] for name in (point, *(f"{point} {pk}" for pk in listing_ids)) if name in signals), None
    )
