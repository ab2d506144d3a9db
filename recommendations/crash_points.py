"""Where tests kill a process as if its machine had lost power. Costs nothing where CRASH_POINTS is not set.

CRASH_POINTS names a file, which a test writes while processes run. It holds the points at which the process
that reaches one ends by SIGKILL: a name on each line, or `name 17` for listing 17 alone. No `finally` runs
and nothing is flushed. For tests only: where HTTPS is enforced, as in production, no process starts with it.
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
    """Ends this process if a test wants it to end here."""
    if FILE and _is_wanted(point, listing_ids):
        os.kill(os.getpid(), signal.SIGKILL)


def refuse_in_production() -> None:
    """Raises Invalid where crash points are set in an installation that others rely on."""
    if FILE and settings.SECURE_SSL_REDIRECT:
        raise Invalid("CRASH_POINTS is for tests: it kills processes. Unset it.")


def _is_wanted(point: str, listing_ids: Iterable[int]) -> bool:
    wanted: list[str] = []
    with contextlib.suppress(FileNotFoundError):
        wanted = Path(FILE).read_text().splitlines()
    return point in wanted or any(f"{point} {listing_id}" in wanted for listing_id in listing_ids)
