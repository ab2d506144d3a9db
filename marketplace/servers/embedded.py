"""Embedded PostgreSQL and Redis, started when DATABASE_URL or REDIS_URL is not set.

Their addresses depend on the VAR folder alone and are known before they run. Each process that uses them
holds a shared lock on VAR/servers.lock; the last one that exits in order stops them. After a kill -9 of a
holder they keep running, and the next holder takes them over; killed servers recover.
"""

import atexit
import contextlib
import errno
import fcntl
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from marketplace.servers.home import EmbeddedError, ServerHome
from marketplace.servers.postgres import PostgresServer
from marketplace.servers.redis import RedisServer

_held: dict[Path, "EmbeddedServers"] = {}


def database_url(folder: Path) -> str:
    """URL of the embedded PostgreSQL of this folder. Starts nothing."""
    return PostgresServer(ServerHome(folder)).url


def redis_url(folder: Path) -> str:
    """URL of the embedded Redis of this folder. Starts nothing."""
    return RedisServer(ServerHome(folder)).url


def hold(
    folder: Path, *, postgres: bool = True, redis: bool = True, durable: bool = True
) -> "EmbeddedServers | None":
    """Start the servers that do not run and hold them until this process exits. Safe to call again.

    Returns None when neither is wanted. SIGTERM and SIGHUP, unless handled, become an orderly exit; otherwise
    the servers would be left running. Raises EmbeddedError.
    """
    if not (postgres or redis):
        return None
    key = folder.resolve()
    if key not in _held:
        _held[key] = EmbeddedServers(key, durable=durable)
        atexit.register(_release_at_exit, _held[key])
        _exit_in_order_on_signals()
    _held[key].hold(postgres=postgres, redis=redis)
    return _held[key]


class EmbeddedServers:
    """Both servers of one folder, and this process's shared lock on them.

    durable=False trades safety on a power cut for speed, for tests.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder.resolve()
        self.home = ServerHome(self.folder)
        self.postgres = PostgresServer(self.home, durable=durable)
        self.redis = RedisServer(self.home, durable=durable)
        self._lock: int | None = None
        self._holder = 0

    def hold(self, *, postgres: bool = True, redis: bool = True) -> None:
        """Take the shared lock, once for each process, and start what does not run. Raises EmbeddedError."""
        with _plain_os_errors(self.folder), self._exclusively():
            self._take_lock()
            self._make_folders()
            if postgres:
                self.postgres.start()
            if redis:
                self.redis.start()

    def release(self) -> None:
        """Release the lock, and stop both servers if it was the last one.

        Does nothing in a forked child, which inherited the lock of its parent.
        """
        if self._lock is None or self._holder != os.getpid():
            return
        with _plain_os_errors(self.folder), self._exclusively():
            if _lock_now(self._lock, fcntl.LOCK_EX):
                self._stop()
            os.close(self._lock)
            self._lock = None

    def _stop(self) -> None:
        self.redis.stop()
        self.postgres.stop()

    def _take_lock(self) -> None:
        if self._lock is None:
            self._lock = os.open(self.folder / "servers.lock", os.O_RDWR | os.O_CREAT, 0o600)
            self._holder = os.getpid()
            fcntl.flock(self._lock, fcntl.LOCK_SH)

    def _make_folders(self) -> None:
        self.home.prepare()
        if self.home.is_orphaned():
            self._stop()
            self.home.set_old_data_aside()
        self.home.write_link()

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        """A lock under which servers start and stop, so that a new process waits for a stop to finish."""
        self.folder.mkdir(parents=True, exist_ok=True)
        start_lock = os.open(self.folder / "servers.start.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(start_lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(start_lock)


def _release_at_exit(servers: EmbeddedServers) -> None:
    try:
        servers.release()
    except EmbeddedError as error:
        print(error, file=sys.stderr)


def _lock_now(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _plain_os_errors(folder: Path) -> Iterator[None]:
    """Turn an OSError into an EmbeddedError of one line."""
    try:
        yield
    except OSError as error:
        path = error.filename or folder
        if error.errno == errno.ENOSPC:
            raise EmbeddedError(f"the disk of {path} is full: free some space and start again.") from None
        raise EmbeddedError(
            f"{path} cannot be written ({error.strerror}): make it writable, or set VAR to a folder that is."
        ) from None


def _exit_in_order_on_signals() -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _exit_in_order)


def _exit_in_order(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
