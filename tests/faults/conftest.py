"""An installation whose processes die where a test wants it, and servers of its own to stop."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from marketplace.embedded import EmbeddedServers
from recommendations import compaction
from tests.conftest import ServiceKey
from tests.flows.conftest import ROOT, Installation, kill


class FragileInstallation(Installation):
    """Processes that read where they are to be killed; see recommendations/crash_points.py."""

    def __init__(self, folder: Path, weights: Path):
        super().__init__(folder, weights)
        self.crash_points = folder / "crash_points"
        self.environment |= {"CRASH_POINTS": str(self.crash_points), "OMP_NUM_THREADS": "1"}

    def crash_at(self, *points: str) -> None:
        """From now on who reaches one of these points is killed; without any, nobody."""
        aside = self.crash_points.with_suffix(".new")
        aside.write_text("\n".join(points))
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
        self._started.stdin.write(" ".join(words) + "\n")
        self._started.stdin.flush()
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


def children_of(pid: int) -> list[int]:
    """Of a process, those that live."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(folder.name))
    return found


__all__ = ["FragileInstallation", "assert_agrees", "children_of", "kill"]
