"""Processes of an installation, and the supervisor of `manage.py demo`.

docker-compose.yml has the same processes; a test compares the two. honcho is not used as a supervisor,
because it ends all processes when one ends, and leaves orphans after a kill -9.
"""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from marketplace.servers import die_with_parent

ROOT = Path(__file__).resolve().parent.parent.parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
TWO_THREADS = dict.fromkeys(ONE_THREAD, "2")

# Long enough for a running request or batch. Work that is interrupted after it is claimed again later.
GRACE_S = 10.0
LONGEST_PAUSE_S = 30.0
STEADY_AFTER_S = 60.0
KEPT_LOG_SUFFIX = ".1"

RECORD = re.compile(r"^\[?\d{4}-\d\d-\d\d[ T]")
LOUD = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b")


@dataclass(frozen=True)
class Process:
    """A program that runs as long as the installation does.

    `command` may contain `{bind}` and `{var}`. Processes of a lower `stage` are stopped first.
    `environment` sets the number of native threads; by default a process uses every core.
    """

    name: str
    command: str
    environment: Mapping[str, str] = field(default_factory=dict)
    stage: int = 2

    def words(self, *, bind: str = "127.0.0.1:8000", var: str = "var") -> list[str]:
        return [word.format(bind=bind, var=var) for word in shlex.split(self.command)]


def _worker(queue: str, environment: Mapping[str, str]) -> Process:
    command = (
        f"celery -A marketplace worker --queues {queue} --concurrency 1 --hostname {queue}@%h "
        "--loglevel WARNING --without-gossip --without-mingle"
    )
    return Process(f"worker-{queue}", command, environment)


WORKERS = (
    _worker("events", ONE_THREAD),
    _worker("embeddings", {}),
    _worker("encode", TWO_THREADS),  # more would compete with the web processes
    _worker("training", {"OPENBLAS_NUM_THREADS": "1"}),  # implicit runs its own threads on top of BLAS
)
BEAT = Process(
    "beat",
    "celery -A marketplace beat --schedule {var}/celerybeat-schedule --loglevel WARNING",
    ONE_THREAD,
    stage=0,
)
# Without --preload: the threads that update the catalogue replica have to start after the fork.
WEB = Process(
    "web",
    "gunicorn marketplace.wsgi:application --bind {bind} --workers 2 --threads 4 --timeout 60 "
    "--worker-class marketplace.web.gunicorn_worker.HeadFirstWorker --graceful-timeout 5 --no-control-socket",
    ONE_THREAD,
    stage=1,
)
PROCESSES = (*WORKERS, BEAT, WEB)

# Commands that run once before them, in this order.
PREPARATIONS = {
    "migrate": "python manage.py migrate --no-input --verbosity 0",
    "places": "python manage.py load_places",
}


def with_this_python(words: list[str]) -> list[str]:
    """The command run by the current Python interpreter, independent of PATH."""
    if words[0] == "python":
        return [sys.executable, *words[1:]]
    return [sys.executable, "-m", *words] if words[0] in ("celery", "gunicorn") else words


@dataclass
class _Child:
    process: Process
    command: list[str]
    running: subprocess.Popen[str]
    started_at: float
    failure_count: int = 0
    restart_at: float | None = None
    last_line: str = ""


class Supervisor:
    """Starts processes, restarts those that end, and stops all of them.

    Each process has a session of its own, so that Ctrl-C reaches only the supervisor, which then stops them
    in order. If the supervisor is killed, Linux kills them. Their output goes to `logs`/NAME.log. Warnings,
    errors and messages of the supervisor go to `say(name, line)`, which any thread may call.
    """

    def __init__(
        self,
        *,
        logs: Path,
        environment: Mapping[str, str],
        say: Callable[[str, str], None],
        grace_s: float = GRACE_S,
    ) -> None:
        self._logs = logs
        self._environment = environment
        self._say = say
        self._grace_s = grace_s
        self._children: list[_Child] = []
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, name="supervisor", daemon=True).start()

    def start(self, process: Process, **places: str) -> None:
        """Start a process with `places` filled into its command, and keep it running."""
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._log(process)
        if log.exists():
            log.replace(log.with_name(log.name + KEPT_LOG_SUFFIX))
        command = with_this_python(process.words(**places))
        with self._lock:
            child = _Child(process, command, self._spawn(process, command), time.monotonic())
            self._children.append(child)
        self._follow(child)

    def stop(self) -> None:
        """Stop stage after stage: SIGTERM, a grace period, SIGKILL. Returns when all processes have ended."""
        self._stopped.set()
        with self._lock:
            for stage in sorted({child.process.stage for child in self._children}):
                self._stop([child for child in self._children if child.process.stage == stage])
            self._children.clear()

    def hurry(self) -> None:
        """End the grace period of a running stop. Safe in a signal handler."""
        self._grace_s = 0

    def _spawn(self, process: Process, command: list[str]) -> subprocess.Popen[str]:
        launcher = [sys.executable, "-I", die_with_parent.__file__, str(os.getpid())]
        return subprocess.Popen(
            [*launcher, *command],
            cwd=ROOT,
            env={**self._environment, **process.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def _watch(self) -> None:
        # This thread lives until stop(), because Linux kills a process when the thread that started it ends.
        while not self._stopped.wait(0.1):
            with self._lock:
                for child in [] if self._stopped.is_set() else self._children:
                    self._restart_if_ended(child)

    def _restart_if_ended(self, child: _Child) -> None:
        if child.running.poll() is None:
            return
        if child.restart_at is None:
            self._plan_restart(child)
        elif time.monotonic() >= child.restart_at:
            child.running = self._spawn(child.process, child.command)
            child.started_at, child.restart_at = time.monotonic(), None
            self._follow(child)

    def _plan_restart(self, child: _Child) -> None:
        _kill_session(child.running.pid)
        now = time.monotonic()
        steady = now - child.started_at > STEADY_AFTER_S
        child.failure_count = 1 if steady else child.failure_count + 1
        pause_s = min(LONGEST_PAUSE_S, 0.5 * 2**child.failure_count)
        child.restart_at = now + pause_s
        self._say(child.process.name, f"{_end_of(child)}; starts again in {pause_s:.0f} s")

    def _stop(self, children: list[_Child]) -> None:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                child.running.terminate()
        started = time.monotonic()
        while any(child.running.poll() is None for child in children) and not self._is_over(started):
            time.sleep(0.02)
        for child in children:
            _kill_session(child.running.pid)
            child.running.wait()

    def _is_over(self, started: float) -> bool:
        return time.monotonic() - started > self._grace_s

    def _log(self, process: Process) -> Path:
        return self._logs / f"{process.name}.log"

    def _follow(self, child: _Child) -> None:
        """Copy the child's output in a thread that ends with it."""
        arguments = (child, child.running)
        threading.Thread(target=self._copy_output, args=arguments, daemon=True).start()

    def _copy_output(self, child: _Child, running: subprocess.Popen[str]) -> None:
        loud = False
        with self._log(child.process).open("a", buffering=1) as log:
            for line in running.stdout or ():
                with contextlib.suppress(
                    OSError
                ):  # keep reading when the disk is full, or the child would block
                    log.write(line)
                loud = is_loud(line, after_loud=loud)
                child.last_line = line.strip() or child.last_line
                if loud and not self._stopped.is_set():
                    self._say(child.process.name, line.rstrip())


def is_loud(line: str, *, after_loud: bool) -> bool:
    """Whether to show a line on the console: a warning, an error, or a traceback below one."""
    if RECORD.match(line):
        return LOUD.search(line) is not None
    return after_loud or line.startswith("Traceback ")


def _end_of(child: _Child) -> str:
    code = child.running.returncode
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with {code} ({child.last_line or 'no output'})"


def _kill_session(pid: int) -> None:
    """Kill the remaining processes of the process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
