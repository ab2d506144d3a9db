"""How a process of this project begins: settings checked, its own servers held, mistakes in one line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from listings.errors import DomainError
from marketplace import embedded
from marketplace.environment import BadEnvironment, Environment, read_environment

# Commands that neither read nor write what the servers hold.
WITHOUT_SERVERS = frozenset(
    {
        *("help", "--help", "-h", "version", "--version"),
        *("check", "makemigrations", "spectacular", "startapp", "diffsettings"),
    }
)


class Unusable(Exception):
    """Something outside the project's code keeps it from starting. The message says what to do."""


@contextmanager
def plain_errors() -> Iterator[None]:
    """End with exit status 2 and the message alone for mistakes that the user can mend."""
    try:
        yield
    except (BadEnvironment, embedded.EmbeddedError, Unusable, DomainError) as error:
        sys.exit(_refuse(str(error)))
    except ImportError as error:
        if "shared object" not in str(error):
            raise
        sys.exit(
            _refuse(f"A system library is missing: {error}. Install it with the system's package manager.")
        )
    except Exception as error:
        if (line := _database_line(error)) is None:
            raise
        sys.exit(_refuse(line))


def prepare(arguments: list[str]) -> None:
    """Point Django at the settings and hold the embedded servers, where the command needs any."""
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
    environment = read_environment()
    if arguments and arguments[0] not in WITHOUT_SERVERS and not {"--help", "-h"} & set(arguments):
        hold_servers(environment)


def hold_servers(environment: Environment) -> None:
    """Start what no address was given for, and keep it running until this process ends."""
    embedded.hold(
        environment.var,
        postgres=environment.database_url is None,
        redis=environment.redis_url is None,
    )


def _database_line(error: Exception) -> str | None:
    from django.db import OperationalError
    from redis.exceptions import ConnectionError as RedisConnectionError

    # With a state the server answered: a deadlock, say, which is a failure of its own.
    if isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", None) is None:
        return f"DATABASE_URL: the database cannot be reached: {str(error).splitlines()[0]}"
    if isinstance(error, RedisConnectionError):
        return f"REDIS_URL: Redis cannot be reached: {error}"
    return None


def _refuse(message: str) -> int:
    print(message, file=sys.stderr)
    return 2
