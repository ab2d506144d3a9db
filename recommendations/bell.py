"""Wakes the embedding workers without ever making a request wait for the broker.

A bell carries no work, so many rings may become one message, and a lost one costs seconds: the job is a
row in PostgreSQL, and beat rings too. The message bears the id of the request that rang last.
"""

import logging
import os
import threading
import time

import structlog
from kombu.exceptions import OperationalError

from recommendations import tasks

COALESCE_S = 0.02  # a bulk load commits often; its rings within this time become one message

logger = logging.getLogger(__name__)


class Bell:
    """One thread for each process, made after the fork, by the first ring."""

    def __init__(self) -> None:
        self._rung = threading.Event()
        self._starting = threading.Lock()
        self._pid: int | None = None
        self._context: dict[str, str] = {}  # what a thread of its own would not know of its caller

    def ring(self) -> None:
        """Wake a worker soon. Returns at once, whatever the broker does."""
        with self._starting:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                threading.Thread(target=self._run, name="bell", daemon=True).start()
        known = structlog.contextvars.get_contextvars()
        self._context = {name: known[name] for name in ("request_id",) if name in known}
        self._rung.set()

    def _run(self) -> None:
        while True:
            self._rung.wait()
            time.sleep(COALESCE_S)
            self._rung.clear()
            try:
                with structlog.contextvars.bound_contextvars(**self._context):
                    send()
            except Exception:  # the thread outlives whatever the broker's client raises
                logger.exception("The bell for the embedding workers broke")


def send() -> None:
    """Send the message now, and wait for the broker to take it; for commands, which have the time."""
    try:
        tasks.embed_pending.apply_async(retry=False, expires=tasks.BELL_EXPIRES_S)
    except (OperationalError, OSError) as error:
        logger.warning("The bell for the embedding workers was not heard: %s", error)


_bell = Bell()


def ring() -> None:
    """Wake a worker soon; called after the commit of what there is to embed."""
    _bell.ring()
