"""An installation whose processes die where a test wants it, and servers of its own to stop."""

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

from marketplace.embedded import EmbeddedServers
from recommendations import compaction
from tests.conftest import ServiceKey
from tests.flows.conftest import ROOT, Installation, eventually


class FragileInstallation(Installation):
    """Processes that read where they are to be killed; see recommendations/crash_points.py."""

    def __init__(self, folder: Path, weights: Path):
        super().__init__(folder, weights)
        self.crash_points = folder / "crash_points"
        self.environment |= {"CRASH_POINTS": str(self.crash_points), "OMP_NUM_THREADS": "1"}

    def crash_at(self, *points: str) -> None:
        """From now on who reaches one of these points is killed; without any, nobody."""
        self._signal_at(dict.fromkeys(points, "SIGKILL"))

    def halt_at(self, point: str) -> None:
        """From now on who reaches this point is halted there; see `Forking.halting`."""
        self._signal_at({point: "SIGSTOP"})

    def _signal_at(self, signals: dict[str, str]) -> None:
        aside = self.crash_points.with_suffix(".new")
        aside.write_text("\n".join(f"{point} {signal}" for point, signal in signals.items()))
        aside.replace(self.crash_points)

    def forking(self) -> "Forking":
        """A process that runs commands in children of its own, which may be killed."""
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
    """Runs `manage.py` commands, each in a fresh child of one process that has everything loaded."""

    def __init__(self, started: subprocess.Popen):
        self._started = started

    def run(self, *words: str) -> int:
        """How the command ended: its exit status, or minus the signal that ended it."""
        self._begin(*words)
        return self._end()

    @contextmanager
    def halting(self, installation: FragileInstallation, point: str, *words: str) -> Iterator[list[int]]:
        """Within, the command is halted at this point; after it, the list holds how it ended."""
        installation.halt_at(point)
        self._begin(*words)
        halted = eventually(lambda: children_of(self._started.pid, state="T"), f"it comes to {point}")
        installation.crash_at()
        ended: list[int] = []
        yield ended
        os.kill(halted[0], signal.SIGCONT)
        ended.append(self._end())

    def fill_disk(self) -> None:
        """From now on no command can write to a file."""
        limit_files(self._started.pid, 0)

    def _begin(self, *words: str) -> None:
        self._started.stdin.write(" ".join(words) + "\n")
        self._started.stdin.flush()

    def _end(self) -> int:
        return os.waitstatus_to_exitcode(int(self._started.stdout.readline()))


@pytest.fixture
def installation(transactional_db, encoder, tmp_path, weights_file):
    """An installation with a chosen encoder, of which nothing runs yet."""
    made = FragileInstallation(tmp_path, weights_file)
    yield made
    made.stop()


@pytest.fixture
def key(transactional_db) -> dict[str, str]:
    scopes = ["feed", "events", "catalogue"]
    return {"Authorization": f"Api-Key {ServiceKey.issue(name='shop', scopes=scopes)[1]}"}


@pytest.fixture
def own_redis(installation, tmp_path_factory):
    """A Redis that only this installation uses; what it holds is gone when it stops."""
    servers = EmbeddedServers(tmp_path_factory.mktemp("servers"), durable=False)
    servers.hold(postgres=False)
    installation.environment["REDIS_URL"] = servers.redis.url
    yield servers.redis
    servers.release()
    for folder in (servers.home.data, servers.home.sockets):
        shutil.rmtree(folder, ignore_errors=True)


def assert_agrees(count: int) -> None:
    """The newest generation and the log hold these many listings, as the database does; nothing waits."""
    verdict = compaction.verify()
    assert (verdict.checked, verdict.agrees, verdict.waiting) == (count, True, 0), verdict


def limit_files(pid: int, most: int) -> None:
    """A process, and those that it starts from now on, fails to write more bytes than this into a file."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


def children_of(pid: int, *, state: str = "RSDT") -> list[int]:
    """Of a process, those that are in one of these states: T for halted, Z for ended; see proc(5)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            its_state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and its_state in state:
                found.append(int(folder.name))
    return found
