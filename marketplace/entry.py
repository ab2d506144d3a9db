"""Start of a process: settings are checked, embedded servers held, user errors printed in one line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from listings.errors import DomainError
from marketplace.configuration.environment import BadEnvironment, Environment, read_environment
from marketplace.servers import embedded, home

# Commands that need neither database nor Redis.
WITHOUT_SERVERS = frozenset(
    {
        *("help", "--help", "-h", "version", "--version"),
        *("check", "makemigrations", "spectacular", "startapp", "diffsettings"),
    }
)


class CannotStart(Exception):
    """The process cannot start for a reason outside the code. The message says what to do."""


@contextmanager
def plain_errors() -> Iterator[None]:
    """Exit with status 2 and a message, without a traceback, on errors that the user can correct."""
    try:
        yield
    except (BadEnvironment, home.EmbeddedError, CannotStart, DomainError) as error:
        sys.exit(_refuse(str(error)))
    except ImportError as error:
        if "shared object" not in str(error):
            raise
        sys.exit(
            _refuse(f"A system library is missing: {error}. Install it with the system's package manager.")
        )
    except Exception as error:
        if (line := _connection_message(error)) is None:
            raise
        sys.exit(_refuse(line))


def prepare(arguments: list[str]) -> None:
    """Set DJANGO_SETTINGS_MODULE and hold the embedded servers if the command needs them."""
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
    environment = read_environment()
    home.close_to_others(environment.var)
    if arguments and arguments[0] not in WITHOUT_SERVERS and not {"--help", "-h"} & set(arguments):
        hold_servers(environment)


def hold_servers(environment: Environment) -> None:
    """Start the servers whose URL is not set and hold them until this process exits."""
    embedded.hold(
        environment.var,
        postgres=environment.database_url is None,
        redis=environment.redis_url is None,
    )


def _connection_message(error: Exception) -> str | None:
    from django.db import OperationalError
    from redis.exceptions import ConnectionError as RedisConnectionError

    # With an SQLSTATE the server was reached: a deadlock, for example, is a different failure.
    if isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", None) is None:
        return f"DATABASE_URL: the database cannot be reached: {str(error).splitlines()[0]}"
    if isinstance(error, RedisConnectionError):
        return f"REDIS_URL: Redis cannot be reached: {error}"
    return None


def _refuse(message: str) -> int:
    print(message, file=sys.stderr)
    return 2
