"""Prometheus metrics of several processes, kept in files that the process answering `/metrics` adds up.

Web server and workers are several processes each, so every process keeps its counts in files under
VAR/metrics (prometheus_client's multi-process mode). A file outlives its process, because a counter must not
fall when a process is replaced. It is deleted when the process's parent is gone too, as after a restart.
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

HOST = socket.gethostname().replace("_", "-")  # containers that share a volume have equal process ids
SIZES = {"counter": 1 << 20, "histogram": 1 << 21, "summary": 1 << 17}  # bytes; more than the metrics need
TRY_AGAIN_AFTER_S = 60
FOREIGN_KEPT_S = 7 * 24 * 3600  # for files of another host, whose processes cannot be checked from here

logger = logging.getLogger(__name__)


def process_identity() -> str:
    """The part of this process in its files' names: host, parent and process id."""
    return f"{HOST}-{os.getppid()}-{os.getpid()}"


os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(settings.METRICS_ROOT)
values.ValueClass = values.MultiProcessValue(process_identifier=process_identity)

NAMESPACE = "marketplace"
# Every metric has labels, so that nothing is written before something is counted.
CANDIDATES = Summary("candidates", "Candidates that a source proposed to one feed.", ["source"], NAMESPACE)


class MetricFiles:
    """Allocation of this process's files: on a full disk, writing to an unallocated page would kill it."""

    def __init__(self) -> None:
        self._ready_for = ""
        self._refused_until = 0.0
        self._making = threading.Lock()

    def are_ready(self) -> bool:
        """Whether the files of this process, which may be a fork, are allocated. Allocates them if not."""
        me = process_identity()
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
            logger.warning("No metrics are kept; trying again in %d s: %s", TRY_AGAIN_AFTER_S, error)


metric_files = MetricFiles()


def observe_candidates(source_counts: Mapping[str, int]) -> None:
    """Record the number of candidates that each source proposed to one feed."""
    if metric_files.are_ready():
        for source, count in source_counts.items():
            CANDIDATES.labels(source).observe(count)


def counter(name: str, documentation: str, labels: Iterable[str]) -> Counter:
    return Counter(name, documentation, labels, NAMESPACE)


def histogram(name: str, documentation: str, labels: Iterable[str], buckets: Iterable[float]) -> Histogram:
    return Histogram(name, documentation, labels, NAMESPACE, buckets=tuple(buckets))


def collect_into(registry: CollectorRegistry) -> None:
    """Add the summed metrics of all processes to a registry."""
    settings.METRICS_ROOT.mkdir(parents=True, exist_ok=True)
    MultiProcessCollector(registry, path=str(settings.METRICS_ROOT))


def delete_orphans() -> int:
    """Delete the files of processes that ended together with their parents. Returns how many."""
    files = list(settings.METRICS_ROOT.glob("*_*-*-*.db")) if settings.METRICS_ROOT.is_dir() else []
    orphans = [file for file in files if _is_orphan(file)]
    for file in orphans:
        file.unlink(missing_ok=True)
    return len(orphans)


def _allocate(file: Path, size: int) -> None:
    """Write a file of zeros, which prometheus_client reads as empty, so that its disk space is reserved."""
    if file.exists() and file.stat().st_size >= size:
        return
    aside = file.with_suffix(".new")
    try:
        aside.write_bytes(bytes(size))
        aside.rename(file)
    finally:
        aside.unlink(missing_ok=True)


def _is_orphan(file: Path) -> bool:
    host, parent, process = file.stem.partition("_")[2].rsplit("-", 2)
    if host != HOST:
        return time.time() - file.stat().st_mtime > FOREIGN_KEPT_S
    return not _is_running(int(process)) and not _is_running(int(parent))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it belongs to another user
        pass
    return True
