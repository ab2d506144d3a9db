"""Wake-up messages for the embedding workers, sent without making a request wait for the broker.

The work itself is in PostgreSQL, and beat sends the same message every few seconds. Therefore several calls
may become one message, and a lost one only delays the work. The message carries the id of the last request.
"""

import logging
import os
import threading
import time

import structlog
from django.conf import settings
from kombu.exceptions import OperationalError

from recommendations.indexing import tasks as indexing_tasks

COALESCE_S = 0.02  # calls within this time become one message: a bulk load commits often

logger = logging.getLogger(__name__)


class WorkerNotifier:
    """Sends wake-up messages from a thread, which the first call in a process starts."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._starting = threading.Lock()
        self._pid: int | None = None
        self._context: dict[str, str] = {}  # the last caller's log context: threads do not inherit it

    def notify(self) -> None:
        """Request a message. Returns at once, whatever the broker does."""
        with self._starting:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                threading.Thread(target=self._run, name="wakeup", daemon=True).start()
        context = structlog.contextvars.get_contextvars()
        self._context = {name: context[name] for name in ("request_id",) if name in context}
        self._requested.set()

    def _run(self) -> None:
        while True:
            self._requested.wait()
            time.sleep(COALESCE_S)
            self._requested.clear()
            try:
                with structlog.contextvars.bound_contextvars(**self._context):
                    notify_now()
            except Exception:  # the thread must go on, whatever the broker's client raises
                logger.exception(
                    "The embedding workers could not be woken. New listings are embedded when beat wakes them"
                )


def notify_now() -> None:
    """Send a message now and wait until the broker has taken it. For commands, which may wait."""
    try:
        indexing_tasks.embed_pending.apply_async(retry=False, expires=settings.WAKEUP_EXPIRES_S)
    except (OperationalError, OSError) as error:
        logger.warning(
            "The embedding workers could not be woken, since Redis takes no messages (%s). New listings "
            "are embedded when beat wakes them; check Redis",
            error,
        )


_notifier = WorkerNotifier()


def notify() -> None:
    """Wake a worker soon. Call it after the commit of the jobs."""
    _notifier.notify()
