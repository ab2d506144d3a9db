#!/usr/bin/env python3
"""The project's commands. Known mistakes end in one line and exit status 2, never in a traceback."""

import sys

from marketplace import entry


def main() -> None:
    with entry.plain_errors():
        entry.prepare(sys.argv[1:])
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
