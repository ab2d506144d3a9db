"""The supervisor, with real processes. Without Django."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from marketplace.servers.processes import Process, Supervisor, is_loud

ROOT = Path(__file__).resolve().parents[3]
GRACE_S = 1
PATIENCE_S = 50  # shorter than the sleep of the processes below
SLEEPER = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
DEAF = (
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print(os.getpid(), 'ready', flush=True); time.sleep(60)"
)
PARENT_OF_A_CHILD = (
    "import subprocess, time; child = subprocess.Popen(['sleep', '60']);"
    "print(child.pid, flush=True); time.sleep(60)"
)
A_SUPERVISOR = """
import signal, sys, time, os
from pathlib import Path
from marketplace.servers.processes import Process, Supervisor
supervisor = Supervisor(logs=Path(sys.argv[1]), environment=os.environ, say=print)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: sys.exit(0))
try:
    for name in ("alice", "bob"):
        supervisor.start(Process(name, sys.argv[2]))
    print("started", flush=True)
    time.sleep(60)
finally:
    supervisor.stop()
"""


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code]).replace("{", "{{").replace("}", "}}")


def in_time(question):
    """Call a function until it returns something true, for at most PATIENCE_S. Returns the last result."""
    deadline = time.monotonic() + PATIENCE_S
    while not (answer := question()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return answer


def is_alive(pid: int) -> bool:
    """Whether a process runs. A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def messages():
    return []


@pytest.fixture
def supervisor(tmp_path, messages):
    supervisor = Supervisor(
        logs=tmp_path,
        environment=os.environ,
        say=lambda name, line: messages.append((name, line)),
        grace_s=GRACE_S,
    )
    yield supervisor
    supervisor.stop()


@pytest.fixture
def first_number(tmp_path):
    """Wait for the first number in a process's log."""
    return lambda name: in_time(lambda: numbers(tmp_path / f"{name}.log"))[0]


@pytest.fixture
def is_ready(tmp_path):
    """Wait until a process has logged that it is ready."""

    def wait(name: str) -> bool:
        log = tmp_path / f"{name}.log"
        return in_time(lambda: log.exists() and "ready" in log.read_text())

    return wait


def numbers(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().split() if line.isdigit()] if log.exists() else []


class TestSupervisor:
    def test_what_a_process_prints_goes_to_its_log(self, supervisor, is_ready):
        supervisor.start(Process("alice", python("print('ready', flush=True); import time; time.sleep(60)")))
        assert is_ready("alice")

    def test_a_killed_process_is_started_again_and_reported(
        self, supervisor, messages, tmp_path, first_number
    ):
        supervisor.start(Process("alice", python(SLEEPER)))
        os.kill(first_number("alice"), signal.SIGKILL)
        assert in_time(lambda: len(numbers(tmp_path / "alice.log")) == 2)
        assert messages[0][0] == "alice"
        assert "was ended by SIGKILL; starts again" in messages[0][1]

    def test_the_pause_before_a_restart_grows_while_a_process_keeps_failing(self, supervisor, messages):
        supervisor.start(Process("alice", python("raise SystemExit('no such database')")))
        assert in_time(lambda: len(messages) >= 2)
        assert "ended with 1 (no such database); starts again in 1 s" in messages[0][1]
        assert "starts again in 2 s" in messages[1][1]

    def test_children_of_a_stopped_process_are_ended(self, supervisor, tmp_path, first_number):
        supervisor.start(Process("alice", python(PARENT_OF_A_CHILD)))
        grandchild = first_number("alice")
        supervisor.stop()
        assert in_time(lambda: not is_alive(grandchild))

    def test_a_process_that_ignores_term_is_killed_after_the_grace_period(
        self, supervisor, is_ready, first_number
    ):
        supervisor.start(Process("deaf", python(DEAF)))
        assert is_ready("deaf")
        pid = first_number("deaf")
        began = time.monotonic()
        supervisor.stop()
        assert time.monotonic() - began > GRACE_S * 0.9
        assert not is_alive(pid)

    def test_processes_are_stopped_in_the_order_of_their_stages(self, supervisor, is_ready, tmp_path):
        code = (
            "import pathlib, signal, sys, time\n"
            "def end(*_):\n    pathlib.Path(sys.argv[1]).open('a').write(sys.argv[2]); sys.exit()\n"
            "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(60)"
        )
        for name, stage in (("c", 2), ("a", 0), ("b", 1)):
            supervisor.start(Process(name, f"{python(code)} {tmp_path / 'order'} {name}", stage=stage))
            assert is_ready(name)
        supervisor.stop()
        assert (tmp_path / "order").read_text() == "abc"

    def test_the_log_of_the_previous_run_is_kept(self, supervisor, tmp_path):
        (tmp_path / "alice.log").write_text("yesterday")
        supervisor.start(Process("alice", python(SLEEPER)))
        assert (tmp_path / "alice.log.1").read_text() == "yesterday"


class TestEndOfTheSupervisor:
    @pytest.fixture
    def running(self, tmp_path):
        command = [sys.executable, "-c", A_SUPERVISOR, str(tmp_path), python(SLEEPER)]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert process.stdout.readline() == "started\n"
        yield process
        process.kill()
        process.communicate()

    @pytest.fixture
    def children(self, running, first_number):
        return [first_number("alice"), first_number("bob")]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_to_the_supervisors_group_stops_all_processes(self, running, children, number):
        os.killpg(running.pid, number)
        assert running.wait(PATIENCE_S) == 0
        assert not any(is_alive(pid) for pid in children)

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
    def test_a_supervisor_killed_with_sigkill_leaves_no_orphan(self, running, children):
        running.kill()
        assert in_time(lambda: not any(is_alive(pid) for pid in children))


class TestWhatReachesTheConsole:
    @pytest.mark.parametrize(
        "line",
        [
            "2026-11-21 10:00:00,000 WARNING django: slow",
            "[2026-11-21 10:00:00 +0000] [7] [ERROR] Worker failed to boot",
            "[2026-11-21 10:00:00,000: CRITICAL/MainProcess] Unrecoverable",
            "Traceback (most recent call last):",
        ],
    )
    def test_warnings_and_errors_are_shown_on_the_console(self, line):
        assert is_loud(line, after_loud=False)

    @pytest.mark.parametrize(
        "line", ["[2026-11-21 10:00:00 +0000] [7] [INFO] Booting", " -------- celery@host"]
    )
    def test_lines_below_warning_level_are_not_shown_on_the_console(self, line):
        assert not is_loud(line, after_loud=False)

    def test_lines_that_continue_a_warning_are_shown_on_the_console(self):
        assert is_loud('  File "x.py", line 1', after_loud=True)
