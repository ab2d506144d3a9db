"""Where tests stop a process: for good, as if its machine had lost power, or for as long as they like.

CRASH_POINTS names a file, which a test writes while processes run. Each line of it names a point and the
signal to who reaches it: `index.written SIGKILL` ends it, no `finally` runs and nothing is flushed;
`embedding.claimed 17 SIGSTOP` halts who has claimed listing 17. Costs nothing where CRASH_POINTS is not set.
For tests only: where HTTPS is enforced, as in production, no process starts with it.
"""

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from listings.errors import Invalid

FILE = os.environ.get("CRASH_POINTS")


def reached(point: str, listing_ids: Iterable[int] = ()) -> None:
    """Signals this process what a test wants it to get here, if anything."""
    if FILE and (name := _wanted(point, listing_ids)):
        os.kill(os.getpid(), signal.Signals[name])


def refuse_in_production() -> None:
    """Raises Invalid where crash points are set in an installation that others rely on."""
    if FILE and settings.SECURE_SSL_REDIRECT:
        raise Invalid("CRASH_POINTS is for tests: it ends processes. Unset it.")


def _wanted(point: str, listing_ids: Iterable[int]) -> str | None:
    """The name of a signal."""
    wanted: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError):
        wanted = dict(line.rsplit(" ", 1) for line in Path(FILE).read_text().splitlines())
    return next(
        (wanted[name] for name in (point, *(f"{point} {pk}" for pk in listing_ids)) if name in wanted), None
    )
