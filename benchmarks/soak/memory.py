"""Measurement of the memory of child processes, and of its growth.

There are two measures, see proc(5). RSS counts shared pages in full for each process. PSS divides them among
the processes, so that a sum counts no page twice, but it changes as other processes map the same libraries.
"""

import os
import re
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

PROC = Path("/proc")
LOOK_EVERY_S = 3.0
SPAN = 0.2  # share of the time that counts as its beginning, and as its end
MEASURES = {name: re.compile(rf"^{name}:\s+(\d+) kB", re.MULTILINE) for name in ("Rss", "Pss")}
QUEUE = re.compile(r"\0--queues\0(\w+)\0")

Look = tuple[float, dict[str, float]]  # time.monotonic(), and MB by process of the installation


class Memory:
    """Context manager in which a thread samples memory every few seconds.

    A process and its children count as one. `looks`: samples by measure, Rss and Pss.
    """

    def __init__(self) -> None:
        self.looks: dict[str, list[Look]] = {measure: [] for measure in MEASURES}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _live(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            for measure, looks in self.looks.items():
                looks.append((time.monotonic(), megabytes_of_children(measure)))


def megabytes_of_children(measure: str = "Rss") -> dict[str, float]:
    """MB of each process of the installation: `web`, `worker-events` and so on."""
    sessions: dict[int, list[int]] = {}
    names: dict[int, str] = {}
    for pid in (int(folder.name) for folder in PROC.glob("[0-9]*")):
        with suppress(OSError):  # it ended meanwhile
            parent, _, session = _numbers(pid)
            sessions.setdefault(session, []).append(pid)
            if parent == os.getpid():
                names[pid] = name_of((PROC / str(pid) / "cmdline").read_text())
    megabytes: dict[str, float] = {}
    for leader, name in names.items():
        if name:
            megabytes[name] = sum(_megabytes(pid, measure) for pid in sessions.get(leader, []))
    return megabytes


def name_of(command: str) -> str:
    """Name of a process by its NUL-separated command line; "" if it does not belong to the installation."""
    if queue := QUEUE.search(command):
        return f"worker-{queue[1]}"
    return "web" if "\0gunicorn\0" in command else ""


def growth(looks: list[Look], since: float, until: float) -> dict[str, float]:
    """Relative growth of each process's memory from beginning to end, by the names of `edges`."""
    return {name: late / early - 1 for name, (early, late) in edges(looks, since, until).items()}


def edges(looks: list[Look], since: float, until: float) -> dict[str, tuple[float, float]]:
    """MB at the beginning and at the end: of `web`, of all workers together as `worker`, and of each worker.

    Medians over the first and the last fifth of the time, NaN without samples.
    """
    whole = [(at, mb | {"worker": _workers(mb)}) for at, mb in looks if since <= at <= until]
    edge = SPAN * (until - since)
    early = [mb for at, mb in whole if at <= since + edge]
    late = [mb for at, mb in whole if at >= until - edge]
    names = sorted({"web", "worker"}.union(*(mb for _, mb in whole)))
    return {name: (_median(early, name), _median(late, name)) for name in names}


def _workers(megabytes: dict[str, float]) -> float:
    return sum(mb for name, mb in megabytes.items() if name.startswith("worker-"))


def _median(looks: list[dict[str, float]], name: str) -> float:
    values = [mb[name] for mb in looks if mb.get(name)]
    return float(np.median(values)) if values else float("nan")


def _numbers(pid: int) -> tuple[int, int, int]:
    """Parent, group and session of a process. They follow its name, which may contain spaces and brackets."""
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return int(fields[1]), int(fields[2]), int(fields[3])


def _megabytes(pid: int, measure: str) -> float:
    with suppress(OSError):
        match = MEASURES[measure].search((PROC / str(pid) / "smaps_rollup").read_text())
        return int(match[1]) / 1024 if match else 0.0
    return 0.0
