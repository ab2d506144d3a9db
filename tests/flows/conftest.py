"""Fixtures: real web and worker processes on this test's database and Redis."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from marketplace.servers.processes import BEAT, WEB, WORKERS, Process, with_this_python
from recommendations.encoders import selection

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60
EMBEDDINGS = next(worker for worker in WORKERS if worker.name == "worker-embeddings")
EVENTS = next(worker for worker in WORKERS if worker.name == "worker-events")
TRAINING = next(worker for worker in WORKERS if worker.name == "worker-training")


def eventually(check, what: str, patience_s: float = PATIENCE_S):
    """Call `check` until it returns something true. Fails the test on a timeout."""
    deadline = time.monotonic() + patience_s
    while not (value := check()):
        assert time.monotonic() < deadline, f"in {patience_s} s it did not happen that {what}"
        time.sleep(0.05)
    return value


class Installation:
    """Processes as `make run` starts them, on a free port."""

    def __init__(self, folder: Path, weights: Path):
        self.folder = folder
        self.port = free_port()
        self.running: list[subprocess.Popen] = []
        user, _, place = settings.DATABASES["default"]["USER"], "", settings.DATABASES["default"]["HOST"]
        name = connection.settings_dict["NAME"]
        self.environment = {
            **os.environ,
            "DATABASE_URL": f"postgresql://{user}@{place.replace('/', '%2F')}/{name}",
            "REDIS_URL": settings.REDIS_URL,
            "VAR": str(folder),
            "IMAGE_BACKBONE": "shufflenet_v2_x0_5",
            "IMAGE_WEIGHTS": str(weights),
        }

    def start(self, process: Process) -> subprocess.Popen:
        """Start a process with its output in a log in the test's folder."""
        words = process.words(bind=f"127.0.0.1:{self.port}", var=str(self.folder))
        environment = self.environment | dict(process.environment)
        with (self.folder / f"{process.name}.log").open("ab") as log:
            started = subprocess.Popen(
                with_this_python(words),
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(started)
        return started

    def serve(self) -> None:
        self.start(WEB)
        eventually(lambda: self._answers(), "the web process answers")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.get("/livez")[0] == 200
        return False

    def get(self, path: str, **headers: str) -> tuple[int, dict]:
        return self._ask("GET", path, None, headers)

    def post(self, path: str, body: dict, **headers: str) -> tuple[int, dict]:
        return self._ask("POST", path, json.dumps(body), headers | {"Content-Type": "application/json"})

    def post_photo(self, path: str, photo: bytes, **headers: str) -> tuple[int, dict]:
        head = b'--edge\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'
        body = head + photo + b"\r\n--edge--\r\n"
        content_type = {"Content-Type": "multipart/form-data; boundary=edge"}
        return self._ask("POST", path, body, headers | content_type)

    def _ask(self, method: str, path: str, body, headers: dict) -> tuple[int, dict]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as link:
            link.request(method, path, body, headers)
            response = link.getresponse()
            content = response.read()
            return response.status, json.loads(content) if content else {}

    def stop(self) -> None:
        for process in self.running:
            kill(process)


def kill(process: subprocess.Popen) -> None:
    """Kill a process and its children with SIGKILL."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def installation(transactional_db, encoder, tmp_path, weights_file):
    """An installation with an active encoder and no running process."""
    assert selection.active_encoder() is not None
    made = Installation(tmp_path, weights_file)
    yield made
    made.stop()


@pytest.fixture
def workers(installation):
    """Workers for embeddings and events, and beat."""
    for process in (EMBEDDINGS, EVENTS, BEAT):
        installation.start(process)
