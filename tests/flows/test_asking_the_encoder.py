"""Queries through a real encode worker, and recovery from a crash of its encoder."""

import os
import signal
from pathlib import Path

from marketplace.servers.processes import WORKERS
from recommendations.encoders import query_client
from recommendations.encoders.encoded_query import EncodedQuery
from recommendations.encoders.query_client import EncodingUnavailable, encode
from tests.flows.conftest import eventually

ENCODE = next(worker for worker in WORKERS if worker.name == "worker-encode")


def encoder_below(worker: int) -> int:
    """The worker's pool process, which holds the models."""
    (pid,) = [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if parent_of(folder) == worker]
    return pid


def parent_of(folder: Path) -> int | None:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it ended meanwhile
        return None


def answered(words: str) -> EncodedQuery | None:
    try:
        return encode(words=words)
    except EncodingUnavailable:
        return None


class TestACrash:
    def test_an_encode_worker_whose_encoder_is_killed_recovers_by_itself(self, installation, monkeypatch):
        monkeypatch.setattr(query_client, "PAUSE_S", 0.1)
        worker = installation.start(ENCODE)
        assert eventually(lambda: answered("blue sofa"), "the first query is answered").vector.any()
        os.kill(encoder_below(worker.pid), signal.SIGKILL)
        assert answered("blue sofa"), "known words need no encoder"
        eventually(lambda: answered("red sofa"), "another query is answered")
        assert worker.poll() is None
