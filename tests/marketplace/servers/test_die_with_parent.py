"""A launched process dies with its parent."""

import os
import subprocess
import sys

import pytest

from marketplace.servers import die_with_parent

LAUNCH = [sys.executable, "-I", die_with_parent.__file__]
# Launches a process that would run for a minute, and ends with its input.
SHORT_LIVED_PARENT = f"""
import os, subprocess, sys
child = subprocess.Popen([*{LAUNCH!r}, str(os.getpid()), "sh", "-c", "echo started; exec sleep 60"])
sys.stdin.readline()
"""


def test_a_launched_command_runs_with_its_output():
    launched = subprocess.run([*LAUNCH, str(os.getpid()), "echo", "hello"], capture_output=True, text=True)
    assert (launched.returncode, launched.stdout) == (0, "hello\n")


def test_a_command_is_not_launched_when_its_parent_has_died():
    launched = subprocess.run([*LAUNCH, "1", "echo", "hello"], capture_output=True, text=True)
    assert (launched.returncode, launched.stdout) == (1, "")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_launched_process_dies_with_its_parent():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    parent = subprocess.Popen([sys.executable, "-c", SHORT_LIVED_PARENT], text=True, **pipes)
    assert parent.stdout.readline() == "started\n"
    # The child holds the other end of the pipe: it ends when both are gone.
    assert parent.communicate("\n", timeout=30)[0] == ""
