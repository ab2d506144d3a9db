"""Calls of pg_dump, pg_restore and psql."""

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
from marketplace.servers.home import last_line, without_postgres_settings
from marketplace.servers.postgres import INSTALLATION, PACKAGE

PROGRAMS = ("pg_dump", "pg_restore", "psql")
# Parameters that Django passes to psycopg and libpq does not accept.
NOT_OF_LIBPQ = frozenset(
    {"cursor_factory", "context", "prepare_threshold", "password", "server_side_binding"}
)


class NoPrograms(Unavailable):
    """No programs that can dump this server were found."""

    def __init__(self, server: int):
        super().__init__(
            f"{', '.join(PROGRAMS)} of PostgreSQL {server} or later are missing: run `make install`, whose "
            "wheel has them, or put them on PATH (Debian: postgresql-client)."
        )


class ProgramFailed(Unavailable):
    """A dump or restore failed. A failed restore changes nothing."""

    def __init__(self, program: str, output: str):
        reason = last_line(output, holding=("error", "ERROR", "FATAL"))
        super().__init__(f"{program} failed: {reason}")


def folder_for(database: BaseDatabaseWrapper) -> Path:
    """The folder of the programs for this server: of its major version, else of the next later one.

    Raises NoPrograms.
    """
    with database.cursor() as cursor:
        server = cursor.connection.info.server_version // 10_000
    return fitting({place: _version(place) for place in places()}, server)


def fitting(versions: dict[Path, int], server: int) -> Path:
    """The folder with the lowest version that is at least the server's. Raises NoPrograms."""
    suitable = [(version, folder) for folder, version in versions.items() if version >= server]
    if not suitable:
        raise NoPrograms(server)
    return min(suitable)[1]


def dump(database: BaseDatabaseWrapper, file: Path, *, snapshot: str) -> None:
    """Dump the database as of an exported snapshot, in pg_dump's custom format. Raises ProgramFailed."""
    program = folder_for(database) / "pg_dump"
    options = ("--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={file}")
    _run(database, program, *options, f"--dbname={_address(database)}")


def restore(database: BaseDatabaseWrapper, file: Path, *, before: str, after: str, room: Path) -> None:
    """Run the SQL `before`, the dump and the SQL `after` in one transaction.

    room: a folder with space for the dump as SQL. Raises ProgramFailed.
    """
    folder = folder_for(database)
    with TemporaryDirectory(dir=room) as temporary:
        scripts = [Path(temporary) / name for name in ("before.sql", "dump.sql", "after.sql")]
        scripts[0].write_text(before)
        scripts[2].write_text(after)
        options = ("--no-owner", "--no-privileges", "--exit-on-error", f"--file={scripts[1]}", file)
        _run(database, folder / "pg_restore", *options)
        strict = ("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1")
        parts = (f"--file={script}" for script in scripts)
        _run(database, folder / "psql", *strict, *parts, f"--dbname={_address(database)}")


def places() -> list[Path]:
    """Folders that have all programs: the wheel's, and the one on PATH."""
    spec = importlib.util.find_spec(PACKAGE)
    bundled = [
        Path(place) / INSTALLATION / "bin" for place in (spec and spec.submodule_search_locations) or ()
    ]
    on_path = [Path(program).parent for program in [shutil.which(PROGRAMS[0])] if program]
    return [place for place in (*bundled, *on_path) if all((place / name).exists() for name in PROGRAMS)]


@lru_cache
def _version(place: Path) -> int:
    """The major version of the programs in a folder; 0 when they do not run."""
    try:
        output = subprocess.run(
            [place / PROGRAMS[0], "--version"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    version = re.search(r"\b(\d+)[.\d]*", output)
    return int(version[1]) if version else 0


def _address(database: BaseDatabaseWrapper) -> str:
    """A conninfo string for libpq, without the password: other users of the machine can see arguments."""
    return make_conninfo(
        **{name: value for name, value in _parameters(database).items() if name not in NOT_OF_LIBPQ}
    )


def _parameters(database: BaseDatabaseWrapper) -> dict[str, Any]:
    return {name: value for name, value in database.get_connection_params().items() if value is not None}


def _run(database: BaseDatabaseWrapper, program: Path, *arguments: object) -> None:
    password = _parameters(database).get("password")
    environment = without_postgres_settings(os.environ) | ({"PGPASSWORD": password} if password else {})
    done = subprocess.run(
        [program, *map(str, arguments)], env=environment, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        raise ProgramFailed(program.name, done.stderr)
