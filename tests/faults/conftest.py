"""Fixtures: an installation with crash points, and servers that tests may stop."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from marketplace.models import ServiceKey
from marketplace.servers.embedded import EmbeddedServers
from recommendations.indexing import compaction
from tests.flows.conftest import ROOT, Installation, eventually


class FragileInstallation(Installation):
    """Processes with crash points; see recommendations/core/failpoints.py."""

    def __init__(self, folder: Path, weights: Path):
        super().__init__(folder, weights)
        self.crash_points = folder / "crash_points"
        self.environment |= {"CRASH_POINTS": str(self.crash_points), "OMP_NUM_THREADS": "1"}

    def crash_at(self, *points: str) -> None:
        """Kill every process that reaches one of these points; without points, none."""
        self._signal_at(dict.fromkeys(points, "SIGKILL"))

    def halt_at(self, point: str) -> None:
        """Halt every process that reaches this point; see `Forking.halting`."""
        self._signal_at({point: "SIGSTOP"})

    def _signal_at(self, signals: dict[str, str]) -> None:
        aside = self.crash_points.with_suffix(".new")
        aside.write_text("\n".join(f"{point} {signal}" for point, signal in signals.items()))
        aside.replace(self.crash_points)

    def forking(self) -> "Forking":
        """A process that runs commands in child processes, which may be killed."""
        started = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forking"],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.running.append(started)
        return Forking(started)


class Forking:
    """Runs `manage.py` commands, each in a new child of a process that has everything imported."""

    def __init__(self, started: subprocess.Popen):
        self._started = started

    def run(self, *words: str) -> int:
        """Run a command. Returns its exit status, or minus the signal that ended it."""
        self._begin(*words)
        return self._end()

    @contextmanager
    def halting(self, installation: FragileInstallation, point: str, *words: str) -> Iterator[list[int]]:
        """Context manager in which the command is halted at this point.

        Afterwards the list has its status.
        """
        installation.halt_at(point)
        self._begin(*words)
        halted = eventually(lambda: children_of(self._started.pid, state="T"), f"it comes to {point}")
        installation.crash_at()
        ended: list[int] = []
        yield ended
        os.kill(halted[0], signal.SIGCONT)
        ended.append(self._end())

    def fill_disk(self) -> None:
        """Make every write to a file fail, as on a full disk."""
        limit_files(self._started.pid, 0)

    def _begin(self, *words: str) -> None:
        self._started.stdin.write(" ".join(words) + "\n")
        self._started.stdin.flush()

    def _end(self) -> int:
        return os.waitstatus_to_exitcode(int(self._started.stdout.readline()))


@pytest.fixture
def installation(transactional_db, encoder, tmp_path, weights_file):
    """An installation with an active encoder and no running process."""
    made = FragileInstallation(tmp_path, weights_file)
    yield made
    made.stop()


@pytest.fixture
def key(transactional_db) -> dict[str, str]:
    scopes = ["feed", "events", "catalogue"]
    return {"Authorization": f"Api-Key {ServiceKey.issue(name='shop', scopes=scopes)[1]}"}


@pytest.fixture
def own_redis(installation, tmp_path_factory):
    """A Redis for this installation alone, without persistence."""
    servers = EmbeddedServers(tmp_path_factory.mktemp("servers"), durable=False)
    servers.hold(postgres=False)
    installation.environment["REDIS_URL"] = servers.redis.url
    yield servers.redis
    servers.release()
    for folder in (servers.home.data, servers.home.sockets):
        shutil.rmtree(folder, ignore_errors=True)


def assert_agrees(count: int) -> None:
    """Assert that index, change log and database have this many listings, and that no job waits."""
    verdict = compaction.verify()
    assert (verdict.checked, verdict.agrees, verdict.waiting) == (count, True, 0), verdict


def limit_files(pid: int, most: int) -> None:
    """Limit the file size of a process and its future children."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


def children_of(pid: int, *, state: str = "RSDT") -> list[int]:
    """Children of a process in one of these states: T for stopped, Z for ended; see proc(5)."""
    children = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            its_state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and its_state in state:
                children.append(int(folder.name))
    return children
