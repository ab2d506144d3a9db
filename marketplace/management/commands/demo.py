"""`manage.py demo`, called by `make run`: runs the missing set-up steps, then serves until it is stopped."""

import argparse
import contextlib
import itertools
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connections
from filelock import FileLock, Timeout
from rich.console import Console
from rich.text import Text

from marketplace import entry
from marketplace.configuration.environment import ROOT
from marketplace.servers import die_with_parent, embedded
from marketplace.servers.home import EmbeddedError
from marketplace.servers.processes import BEAT, PREPARATIONS, WEB, WORKERS, Supervisor, with_this_python
from marketplace.set_up import Sources, Step, before_workers, holds_another_catalogue, with_workers
from recommendations.encoders import training_state
from recommendations.popularity import trending

HOST = "127.0.0.1"
START_TIMEOUT_S = 120
STOP_STEP_S = 5
LOOK_EVERY_S = 2
TELL_EVERY_LOOKS = 5
SAME_SIGNAL_S = 1
ALREADY_REPORTED = 2  # exit status of manage.py after it printed a user error
COLOURS = {"web": "green", "beat": "magenta"}
ADMIN = "admin"


class Command(BaseCommand):
    help = "Set up what is missing, then run web, workers and beat until Ctrl-C."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, help="a folder with Products.csv, Images.csv and photos")
        parser.add_argument("--port", type=int, default=settings.ENVIRONMENT.port)
        parser.add_argument("--simulate", action="store_true", help="simulate shoppers on --data too")

    def handle(self, *, data: Path | None, port: int, simulate: bool, **_: object) -> None:
        sources = Sources(data and data.resolve(), simulate or data is None)
        sources.check()
        check_port(port)
        trending.client().ping()  # report an unreachable Redis now, not after minutes
        try:
            with FileLock(settings.VAR / "demo.lock", timeout=0):
                Demo(sources, port).run()
        except Timeout:
            raise entry.CannotStart(
                f"VAR: {settings.VAR} is served by another `make run`; stop that one, or set another VAR."
            ) from None


class Demo:
    """One run: set-up steps, processes, and an orderly end on SIGINT, SIGTERM or SIGHUP."""

    def __init__(self, sources: Sources, port: int) -> None:
        self.sources = sources
        self.port = port
        self.console = Console(highlight=False)
        self.logs = settings.VAR / "log"
        self.environment = child_environment()
        self.supervisor = Supervisor(logs=self.logs, environment=self.environment, say=self.say)
        self.is_serving = False
        self.stopped_at: float | None = None
        self.told_stage: tuple[object, ...] = ()

    def run(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            self.set_up()
            self.serve()
        finally:
            # Also after a failure: a signal must not interrupt the orderly end.
            self.stopped_at = self.stopped_at or time.monotonic()
            self.supervisor.stop()

    def set_up(self) -> None:
        self.do(Step("migrate", "Database", PREPARATIONS["migrate"]))
        if holds_another_catalogue(self.sources):
            self.console.print("This database holds another catalogue too; another VAR keeps them apart.")
        self.do_all(before_workers(self.sources))

    def serve(self) -> None:
        """Start web first when all steps are finished, because workers take longer to start."""
        steps = with_workers(self.sources)
        if all(step.is_finished() for step in steps):
            self.start_web()
            self.start_workers()
        else:
            self.start_workers()
            self.do_all(steps)
            self.start_web()
        self.is_serving = True
        for look in itertools.count():
            if look % TELL_EVERY_LOOKS == 0:
                self.tell_of_encoder()
            time.sleep(LOOK_EVERY_S)
            self.keep_servers_up()

    def tell_of_encoder(self) -> None:
        """Say which encoder serves and what comes next, once for each change."""
        with contextlib.suppress(DatabaseError):
            state = training_state.read_state()
            stage = (state.in_service, state.is_trained, state.is_training, state.has_candidate)
            if stage != self.told_stage:
                self.told_stage = stage
                self.say("encoder", f"{state.serving} {state.next}".strip())
        connections.close_all()

    def start_workers(self) -> None:
        for process in (*WORKERS, BEAT):
            self.supervisor.start(process, var=str(settings.VAR))

    def start_web(self) -> None:
        if not self.sources.simulate:
            self.console.print(
                "Collaborative filtering waits for events (SIMULATE=1 would simulate shoppers)."
            )
        self.supervisor.start(WEB, bind=f"{HOST}:{self.port}")
        self.wait_until_it_answers()
        self.print_address(renew_admin())
        connections.close_all()

    def do_all(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self.do(step)

    def do(self, step: Step) -> None:
        """Run a step's command unless it was finished before. Raises CannotStart when it fails."""
        if step.is_finished():
            self.console.print(f"[green]✓[/] {step.title}: done before")
            return
        self.console.print(f"[bold]→ {step.title}[/]")
        connections.close_all()  # hold no connection during a long step
        started = time.monotonic()
        with self.running(step) as process:
            code = process.wait()
        if code == ALREADY_REPORTED:
            sys.exit(ALREADY_REPORTED)
        if code:
            raise entry.CannotStart(f"{step.title}: `{' '.join(step.words)}` ended with {code}; see above.")
        step.remember()
        self.console.print(f"[green]✓[/] {step.title} ({time.monotonic() - started:.1f} s)")

    @contextlib.contextmanager
    def running(self, step: Step) -> Iterator[subprocess.Popen[bytes]]:
        """Run the step as a child process in a session of its own, stopped on exit.

        A process of its own frees the memory of the step (torch, a whole CSV) before serving.
        """
        launcher = [sys.executable, "-I", die_with_parent.__file__, str(os.getpid())]
        command = [*launcher, *with_this_python(step.words)]
        process = subprocess.Popen(command, cwd=ROOT, env=self.environment, start_new_session=True)
        try:
            yield process
        finally:
            stop_step(process)

    def wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not answers(f"http://{HOST}:{self.port}/livez"):
            if time.monotonic() > deadline:
                raise entry.CannotStart(f"the web process does not answer: see {self.logs / 'web.log'}.")
            time.sleep(0.1)

    def keep_servers_up(self) -> None:
        """Restart an embedded server that was killed."""
        try:
            entry.hold_servers(settings.ENVIRONMENT)
        except EmbeddedError as error:
            self.say("servers", str(error))

    def print_address(self, password: str) -> None:
        address = f"http://{HOST}:{self.port}/"
        self.console.print(f"\n  [bold]{address}[/]")
        self.console.print(
            f"  {address}admin/  as [bold]{ADMIN}[/], password [bold]{password}[/] (this run's)"
        )
        self.console.print(f"  Logs in {self.logs}. Ctrl-C stops everything.\n", soft_wrap=True)

    def say(self, name: str, line: str) -> None:
        self.console.print(Text(f"{name:>17} ", COLOURS.get(name, "cyan")) + Text(line), soft_wrap=True)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """The first signal ends the run; a later one ends the grace period.

        A second signal within SAME_SIGNAL_S is ignored: a Ctrl-C arrives again through make.
        """
        if self.stopped_at is not None:
            if time.monotonic() - self.stopped_at > SAME_SIGNAL_S:
                self.supervisor.hurry()
            return
        self.stopped_at = time.monotonic()
        self.console.print("Stopping ...")
        sys.exit(0 if self.is_serving or number == signal.SIGINT else 128 + number)


def check_port(port: int) -> None:
    """Raise CannotStart when the port cannot be used."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            problem = f"{port}, which cannot be used ({error.strerror})"
            raise entry.CannotStart(
                f"PORT: found {problem}; accepted: a free port, as in PORT=8001."
            ) from None


def child_environment() -> dict[str, str]:
    """Environment of child processes. With the servers' URLs set, they neither start nor stop servers."""
    environment = settings.ENVIRONMENT
    addresses = {
        "DATABASE_URL": environment.database_url or embedded.database_url(settings.VAR),
        "REDIS_URL": environment.redis_url or embedded.redis_url(settings.VAR),
    }
    paths = {"VAR": str(settings.VAR)} | (
        {"IMAGE_WEIGHTS": str(environment.image_weights)} if environment.image_weights else {}
    )
    # The demo serves localhost without TLS, wherever its database is.
    of_demo = {"HTTPS_ONLY": "false", "DEMO_SHOPPERS": "true"}
    return {**of_demo, **os.environ, **addresses, **paths, "PYTHONUNBUFFERED": "1"}


def renew_admin() -> str:
    """Set a new password for the demo's admin, created when missing, and return it."""
    admin, _ = get_user_model().objects.update_or_create(
        username=ADMIN, defaults={"is_staff": True, "is_superuser": True, "is_active": True}
    )
    password = secrets.token_urlsafe(9)
    admin.set_password(password)
    admin.save()
    return password


def answers(address: str) -> bool:
    """Whether an HTTP server answers there, with any status."""
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def stop_step(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=STOP_STEP_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
