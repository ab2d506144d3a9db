"""What this process counts for `/metrics`, in files of its own that whoever answers there adds up.

Web and workers are several processes each, so every one keeps its counts in files under VAR/metrics
(prometheus_client's multi-process mode). A file outlives its process, since a sum must not fall as one is
replaced; it goes when the process's parent is gone too, as after a restart of the whole.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Histogram, Summary, values
from prometheus_client.multiprocess import MultiProcessCollector

HOST = socket.gethostname().replace("_", "-")  # containers of one volume count from process 1 each
SIZES = {"counter": 1 << 20, "histogram": 1 << 21, "summary": 1 << 17}  # bytes; more than can be counted
TRY_AGAIN_AFTER_S = 60
FOREIGN_KEPT_S = 7 * 24 * 3600  # of another host's processes nobody here can say whether they live

logger = logging.getLogger(__name__)


def identity() -> str:
    """This process's part of its files' names: host, parent and process."""
    return f"{HOST}-{os.getppid()}-{os.getpid()}"


os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(settings.METRICS_ROOT)
values.ValueClass = values.MultiProcessValue(process_identifier=identity)

NAMESPACE = "marketplace"
# Each has labels, so that nothing is written before something is counted.
CANDIDATES = Summary("candidates", "Candidates that a source proposed to one feed.", ["source"], NAMESPACE)


class Files:
    """Whether this process may count. Not on a full disk: to touch a page that cannot be had ends it."""

    def __init__(self) -> None:
        self._ready_for = ""
        self._refused_until = 0.0
        self._making = threading.Lock()

    def are_ready(self) -> bool:
        """True once the files of this process, which may be a fork, are there in their full size."""
        me = identity()
        if self._ready_for == me:
            return True
        with self._making:
            if self._ready_for != me and time.monotonic() >= self._refused_until:
                self._make(me)
        return self._ready_for == me

    def _make(self, me: str) -> None:
        try:
            settings.METRICS_ROOT.mkdir(parents=True, exist_ok=True)
            for kind, size in SIZES.items():
                _allocate(settings.METRICS_ROOT / f"{kind}_{me}.db", size)
            self._ready_for = me
        except OSError as error:
            self._refused_until = time.monotonic() + TRY_AGAIN_AFTER_S
            logger.warning("Nothing is counted for /metrics: %s", error)


files = Files()


def observe_candidates(source_counts: Mapping[str, int]) -> None:
    """How many candidates each source proposed to one feed."""
    if files.are_ready():
        for source, count in source_counts.items():
            CANDIDATES.labels(source).observe(count)


def counter(name: str, told: str, labels: Iterable[str]) -> Counter:
    return Counter(name, told, labels, NAMESPACE)


def histogram(name: str, told: str, labels: Iterable[str], buckets: Iterable[float]) -> Histogram:
    return Histogram(name, told, labels, NAMESPACE, buckets=tuple(buckets))


def collect_into(registry: CollectorRegistry) -> None:
    """Have the registry add up what the processes counted."""
    settings.METRICS_ROOT.mkdir(parents=True, exist_ok=True)
    MultiProcessCollector(registry, path=str(settings.METRICS_ROOT))


def sweep() -> int:
    """Delete the files of processes that are gone with their parents; how many."""
    found = list(settings.METRICS_ROOT.glob("*_*-*-*.db")) if settings.METRICS_ROOT.is_dir() else []
    gone = [file for file in found if _is_gone(file)]
    for file in gone:
        file.unlink(missing_ok=True)
    return len(gone)


def _allocate(file: Path, size: int) -> None:
    """A file of zeros, which is an empty one to whoever counts in it, its space on the disk taken."""
    if file.exists() and file.stat().st_size >= size:
        return
    aside = file.with_suffix(".new")
    try:
        aside.write_bytes(bytes(size))
        aside.rename(file)
    finally:
        aside.unlink(missing_ok=True)


def _is_gone(file: Path) -> bool:
    host, parent, process = file.stem.partition("_")[2].rsplit("-", 2)
    if host != HOST:
        return time.time() - file.stat().st_mtime > FOREIGN_KEPT_S
    return not _lives(int(process)) and not _lives(int(parent))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of somebody else, but there
        pass
    return True
