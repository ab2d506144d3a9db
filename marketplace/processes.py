"""The processes of one installation, and a small supervisor that `manage.py demo` runs them under.

The same table is behind docker-compose.yml; a test compares the two. A supervisor of our own, since honcho,
the nearest library, ends everything when one process ends, and leaves orphans after a kill -9.
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

from marketplace import die_with_parent

ROOT = Path(__file__).resolve().parent.parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
TWO_THREADS = dict.fromkeys(ONE_THREAD, "2")

# Long enough for a request or a batch in hand; what is cut off after it is claimed again later.
GRACE_S = 10.0
LONGEST_PAUSE_S = 30.0
STEADY_AFTER_S = 60.0
KEPT_LOG_SUFFIX = ".1"

RECORD = re.compile(r"^\[?\d{4}-\d\d-\d\d[ T]")
LOUD = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b")


@dataclass(frozen=True)
class Process:
    """A program that runs for as long as the installation does.

    `command` may hold `{bind}` and `{var}`. Those of a lower `stage` are stopped first.
    `environment` sets native threads: whoever leaves them out uses every core.
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
    _worker("encode", TWO_THREADS),  # more would take turns with those of the web
    _worker("training", {"OPENBLAS_NUM_THREADS": "1"}),  # implicit has threads of its own above BLAS
)
BEAT = Process(
    "beat",
    "celery -A marketplace beat --schedule {var}/celerybeat-schedule --loglevel WARNING",
    ONE_THREAD,
    stage=0,
)
# Not preloaded: the threads that follow the catalogue have to start after the fork.
WEB = Process(
    "web",
    "gunicorn marketplace.wsgi:application --bind {bind} --workers 2 --threads 4 --timeout 60 "
    "--graceful-timeout 5 --no-control-socket",
    ONE_THREAD,
    stage=1,
)
PROCESSES = (*WORKERS, BEAT, WEB)

# What runs once before them, in this order.
PREPARATIONS = {
    "migrate": "python manage.py migrate --no-input --verbosity 0",
    "places": "python manage.py load_places",
}


def with_this_python(words: list[str]) -> list[str]:
    """The same command through the interpreter that runs now, so that no PATH has to name its folder."""
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
    """Starts processes, starts those again that end by themselves, and stops them all.

    Each runs in a session of its own, so that Ctrl-C reaches only this process, which then stops them in
    order. If this process is killed, Linux kills them. Everything they print goes to `logs`/NAME.log;
    warnings and worse, and what the supervisor has to tell, go to `say(name, line)`, called from any thread.
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
        self._changing = threading.RLock()
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, name="supervisor", daemon=True).start()

    def start(self, process: Process, **places: str) -> None:
        """Start a process, its command filled with `places`, and keep it running."""
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._log(process)
        if log.exists():
            log.replace(log.with_name(log.name + KEPT_LOG_SUFFIX))
        command = with_this_python(process.words(**places))
        with self._changing:
            child = _Child(process, command, self._spawn(process, command), time.monotonic())
            self._children.append(child)
        self._follow(child)

    def stop(self) -> None:
        """Stop stage after stage: TERM, a grace period, KILL. Returns when none is left."""
        self._stopped.set()
        with self._changing:
            for stage in sorted({child.process.stage for child in self._children}):
                self._stop([child for child in self._children if child.process.stage == stage])
            self._children.clear()

    def hurry(self) -> None:
        """Cut the grace period of a stop that is under way. Safe in a signal's handler."""
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
        # This thread lives until stop(): a process is killed when the thread that started it ends.
        while not self._stopped.wait(0.1):
            with self._changing:
                for child in [] if self._stopped.is_set() else self._children:
                    self._mind(child)

    def _mind(self, child: _Child) -> None:
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
        self._say(child.process.name, f"{_how_it_ended(child)}; starts again in {pause_s:.0f} s")

    def _stop(self, children: list[_Child]) -> None:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                child.running.terminate()
        began = time.monotonic()
        while any(child.running.poll() is None for child in children) and not self._is_over(began):
            time.sleep(0.02)
        for child in children:
            _kill_session(child.running.pid)
            child.running.wait()

    def _is_over(self, began: float) -> bool:
        return time.monotonic() - began > self._grace_s

    def _log(self, process: Process) -> Path:
        return self._logs / f"{process.name}.log"

    def _follow(self, child: _Child) -> None:
        """Copy what this run of the child prints, in a thread that ends with it."""
        arguments = (child, child.running)
        threading.Thread(target=self._copy_output, args=arguments, daemon=True).start()

    def _copy_output(self, child: _Child, running: subprocess.Popen[str]) -> None:
        loud = False
        with self._log(child.process).open("a", buffering=1) as log:
            for line in running.stdout or ():
                with contextlib.suppress(OSError):  # a full disk must not leave the child with a full pipe
                    log.write(line)
                loud = is_loud(line, after_loud=loud)
                child.last_line = line.strip() or child.last_line
                if loud and not self._stopped.is_set():
                    self._say(child.process.name, line.rstrip())


def is_loud(line: str, *, after_loud: bool) -> bool:
    """Whether a line belongs on the console: a warning or worse, or a traceback below one."""
    if RECORD.match(line):
        return LOUD.search(line) is not None
    return after_loud or line.startswith("Traceback ")


def _how_it_ended(child: _Child) -> str:
    code = child.running.returncode
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with {code} ({child.last_line or 'it said nothing'})"


def _kill_session(pid: int) -> None:
    """End whatever the process left running in its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
