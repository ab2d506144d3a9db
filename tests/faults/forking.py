"""Program that runs a `manage.py` command in a child process for each input line and prints its exit status.

What takes long to load is loaded once; each child is a process like any other, to be killed.
"""

import os
import sys
import traceback

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")


def run(words: list[str]) -> None:
    """Run a command and exit, with 1 for a CommandError and 2 for any other error. For child processes."""
    from django.core.management import CommandError, call_command

    try:
        call_command(*words, stdout=sys.stderr)
    except CommandError as error:
        print(error, file=sys.stderr)
        os._exit(1)
    except BaseException:
        traceback.print_exc()
        os._exit(2)
    os._exit(0)


def main() -> None:
    django.setup()
    from recommendations.indexing import compaction  # noqa: F401
    from recommendations.training import collaborative  # noqa: F401

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(line.split())
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
