"""The production web server with the floor, the encode worker, and what they cost."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings

from benchmarks.protocol import say
from benchmarks.soak.installation import free_port, is_alive, wait_until
from benchmarks.soak.memory import PROC
from marketplace.management.commands.demo import child_environment
from marketplace.servers.processes import WEB, WORKERS, Supervisor

PATIENCE_S = 300.0
UNLIMITED = {"EVENTS_PER_MINUTE": "0"}  # one address sends all
TICKS_PER_S = 100
PARTS = {"pss": "Pss", "own": "Pss_Anon", "shared": "Pss_File"}


@dataclass(frozen=True)
class Web:
    port: int
    ready_s: float

    @property
    def workers(self) -> list[int]:
        """Process ids of the web workers: of gunicorn's processes those that have no child."""
        pids = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
        own = [pid for pid in pids if f"127.0.0.1:{self.port}" in _command(pid)]
        parents = {_parent(pid) for pid in own}
        return [pid for pid in own if pid not in parents]

    def cpu_s(self) -> float:
        """Processor seconds of the workers since they began."""
        return sum(_ticks(pid) for pid in self.workers) / TICKS_PER_S

    def memory(self) -> list[dict[str, int]]:
        """Bytes of each worker: PSS, and its parts that are its own and that are files."""
        return [_memory(pid) for pid in self.workers]


@contextmanager
def web() -> Iterator[Web]:
    """The web server of production, ready."""
    port = free_port()
    process = replace(WEB, command=WEB.command.replace("marketplace.wsgi", "benchmarks.serving.wsgi"))
    with _supervisor() as supervisor:
        started = time.monotonic()
        supervisor.start(process, bind=f"127.0.0.1:{port}")
        wait_until(lambda: is_alive(port), "the web server answered", PATIENCE_S)
        yield Web(port, round(time.monotonic() - started, 1))


@contextmanager
def encode_worker() -> Iterator[None]:
    with _supervisor() as supervisor:
        supervisor.start(next(worker for worker in WORKERS if worker.name == "worker-encode"))
        yield


@contextmanager
def _supervisor() -> Iterator[Supervisor]:
    supervisor = Supervisor(
        logs=settings.VAR / "log",
        environment=child_environment() | UNLIMITED,
        say=lambda name, line: say(f"{name}: {line}"),
    )
    try:
        yield supervisor
    finally:
        supervisor.stop()


def _command(pid: int) -> str:
    try:
        return (PROC / str(pid) / "cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _ticks(pid: int) -> int:
    return sum(int(field) for field in _stat(pid)[11:13])


def _stat(pid: int) -> list[str]:
    return Path(PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _memory(pid: int) -> dict[str, int]:
    text = (PROC / str(pid) / "smaps_rollup").read_text()
    found = {name: re.search(rf"^{field}: +(\d+) kB", text, re.MULTILINE) for name, field in PARTS.items()}
    return {name: 1024 * int(match[1]) for name, match in found.items() if match}
