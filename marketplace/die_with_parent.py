"""Ask Linux to kill a process when its parent dies, however that dies.

As a program, `python -I die_with_parent.py PARENT COMMAND...` asks for it and becomes the command. It is a
program, not a function run between fork and exec, because that would not be safe beside threads.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h; elsewhere there is no such call


def die_with_parent() -> None:
    """From now on this process is killed when the thread that forked it ends. Does nothing but on Linux."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(parent: str, *command: str) -> None:
    die_with_parent()
    if os.getppid() != int(parent):  # it died before we could ask
        sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
