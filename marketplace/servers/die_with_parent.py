"""Launcher that has Linux kill a process when its parent dies for any reason.

`python -I die_with_parent.py PARENT COMMAND...` sets this up and executes the command. It is a program
because a function run between fork and exec is unsafe in a process with threads.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # from linux/prctl.h; other systems have no such call


def die_with_parent() -> None:
    """Have this process killed when the thread that forked it ends.

    Does nothing on other systems than Linux.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(parent: str, *command: str) -> None:
    die_with_parent()
    if os.getppid() != int(parent):  # the parent died before prctl was called
        sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
