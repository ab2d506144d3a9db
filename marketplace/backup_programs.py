"""PostgreSQL's own programs for dumps, and how they are told which database."""

import importlib.util
import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.conninfo import make_conninfo

from listings.errors import Unavailable
from marketplace.postgres_server import INSTALLATION, PACKAGE
from marketplace.server_home import last_line, without_postgres_settings

PROGRAMS = ("pg_dump", "pg_restore", "psql")
# What Django tells psycopg and libpq does not know.
NOT_OF_LIBPQ = frozenset(
    {"cursor_factory", "context", "prepare_threshold", "password", "server_side_binding"}
)


class NoPrograms(Unavailable):
    """There is nothing that can dump this server."""

    def __init__(self, server: int):
        super().__init__(
            f"{', '.join(PROGRAMS)} of PostgreSQL {server} or later are needed, in the wheel that `make "
            "install` brings or on PATH (Debian: postgresql-client)."
        )


class ProgramFailed(Unavailable):
    """The database was not dumped, or not restored; a restore that fails changes nothing."""

    def __init__(self, program: str, output: str):
        said = last_line(output, holding=("error", "ERROR", "FATAL"))
        super().__init__(f"{program} failed: {said}")


def folder_for(database: BaseDatabaseWrapper) -> Path:
    """Where the programs lie that fit this database's server: of its own version, else of a later one.

    Raises NoPrograms.
    """
    with database.cursor() as cursor:
        server = cursor.connection.info.server_version // 10_000
    return fitting({place: _version(place) for place in places()}, server)


def fitting(versions: dict[Path, int], server: int) -> Path:
    """Of folders with the version of their programs, the one for this server.   Raises NoPrograms."""
    able = [(version, place) for place, version in versions.items() if version >= server]
    if not able:
        raise NoPrograms(server)
    return min(able)[1]


def dump(database: BaseDatabaseWrapper, file: Path, *, snapshot: str) -> None:
    """All of the database as of an exported snapshot, in pg_dump's custom format.   Raises ProgramFailed."""
    program = folder_for(database) / "pg_dump"
    options = ("--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={file}")
    _run(database, program, *options, f"--dbname={_address(database)}")


def restore(database: BaseDatabaseWrapper, file: Path, *, before: str, after: str, room: Path) -> None:
    """The dump in place of what the tables hold, between two pieces of SQL: all of it, or nothing.

    room: a folder with space for the dump as SQL. Raises ProgramFailed.
    """
    folder = folder_for(database)
    with TemporaryDirectory(dir=room) as aside:
        scripts = [Path(aside) / name for name in ("before.sql", "dump.sql", "after.sql")]
        scripts[0].write_text(before)
        scripts[2].write_text(after)
        options = ("--no-owner", "--no-privileges", "--exit-on-error", f"--file={scripts[1]}", file)
        _run(database, folder / "pg_restore", *options)
        strict = ("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1")
        parts = (f"--file={script}" for script in scripts)
        _run(database, folder / "psql", *strict, *parts, f"--dbname={_address(database)}")


def places() -> list[Path]:
    """Folders that hold all of them: the wheel's, and those on PATH."""
    spec = importlib.util.find_spec(PACKAGE)
    bundled = [
        Path(place) / INSTALLATION / "bin" for place in (spec and spec.submodule_search_locations) or ()
    ]
    on_path = [Path(found).parent for found in [shutil.which(PROGRAMS[0])] if found]
    return [place for place in (*bundled, *on_path) if all((place / name).exists() for name in PROGRAMS)]


@lru_cache
def _version(place: Path) -> int:
    """The major version of the programs in a folder; 0 for programs that do not run."""
    try:
        said = subprocess.run(
            [place / PROGRAMS[0], "--version"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r"\b(\d+)[.\d]*", said)
    return int(found[1]) if found else 0


def _address(database: BaseDatabaseWrapper) -> str:
    """For libpq, without the password: others on the machine see what a process is called with."""
    return make_conninfo(
        **{name: value for name, value in _told(database).items() if name not in NOT_OF_LIBPQ}
    )


def _told(database: BaseDatabaseWrapper) -> dict[str, Any]:
    return {name: value for name, value in database.get_connection_params().items() if value is not None}


def _run(database: BaseDatabaseWrapper, program: Path, *arguments: object) -> None:
    password = _told(database).get("password")
    environment = without_postgres_settings(os.environ) | ({"PGPASSWORD": password} if password else {})
    done = subprocess.run(
        [program, *map(str, arguments)], env=environment, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        raise ProgramFailed(program.name, done.stderr)
