#!/usr/bin/env python3
"""Command line of the project. User errors end with one line and exit status 2, without a traceback."""

import sys

from marketplace import entry


def main() -> None:
    with entry.plain_errors():
        entry.prepare(sys.argv[1:])
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
