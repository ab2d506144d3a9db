"""Folders and account of the embedded servers."""

import contextlib
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

# PostgreSQL refuses to run as root. For root, both servers run under the first of these accounts that the
# machine has, with their data outside of any home, so that no folder of a user has to be opened to another
# account.
ROOT_HOMES = Path("/var/lib/marketplace")
UNPRIVILEGED = ("marketplace", "nobody")
# Not TMPDIR or XDG_RUNTIME_DIR: processes with different environments must find the same socket.
SOCKETS = Path("/tmp")


class EmbeddedError(Exception):
    """An embedded server cannot be started. The message is one line and says what to do about it."""


class ServerHome:
    """The folders of one VAR, as pure functions of its path and of the current user.

    `data` is VAR itself; for root, a separate folder that VAR/servers links to.
    `sockets` has a short path (a socket's path is limited to 107 bytes) and is private.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.for_root = os.geteuid() == 0
        key = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        self.data = ROOT_HOMES / key if self.for_root else self.folder
        self.sockets = SOCKETS / f"marketplace-{os.geteuid()}-{key}"

    @property
    def account(self) -> pwd.struct_passwd:
        """The account of the servers. That of data which are there stays."""
        if not self.for_root:
            return pwd.getpwuid(os.geteuid())
        with contextlib.suppress(OSError, KeyError):
            return pwd.getpwuid(self.data.stat().st_uid)
        return _unprivileged_account()

    @property
    def link(self) -> Path:
        """Link from VAR to the data, for root only.

        Deleting VAR deletes it and marks the data as orphaned.
        """
        return self.folder / "servers"

    def prepare(self) -> None:
        """Create the folders, private to the servers' account. Raises EmbeddedError."""
        if self.for_root:
            ROOT_HOMES.mkdir(parents=True, exist_ok=True)
            ROOT_HOMES.chmod(0o755)  # regardless of the umask
            self.make_private(self.data)
        self.make_private(self.sockets)

    def is_orphaned(self) -> bool:
        """Whether VAR was deleted and its data, which root has elsewhere, are left."""
        return self.for_root and not self.link.is_symlink() and any(self.data.iterdir())

    def set_old_data_aside(self) -> None:
        """Rename orphaned data to `.old`, replacing an earlier copy. No server may run."""
        old = self.data.with_suffix(".old")
        shutil.rmtree(old, ignore_errors=True)
        self.data.rename(old)
        self.make_private(self.data)

    def write_link(self) -> None:
        if self.for_root and not self.link.is_symlink():
            self.link.symlink_to(self.data)

    def make_private(self, path: Path) -> None:
        """Create a folder that only the servers' account may enter.

        Raises EmbeddedError when it is not private.
        """
        account = self.account
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
            if self.for_root:
                os.chown(path, account.pw_uid, account.pw_gid)
        status = path.lstat()
        # Anyone may write in /tmp, so a folder that another user created there must not be trusted.
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != account.pw_uid or status.st_mode & 0o077:
            raise EmbeddedError(f"{path} is not a private folder of this account: remove it and start again.")

    def run(
        self, *command: str | Path, timeout_s: float = 60, as_caller: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a server's tool to its end under the servers' account. Does not raise for its exit code.

        as_caller: run it under the account of this process. Raises EmbeddedError when the program cannot be
        loaded or does not end in time.
        """
        done = self._run([str(part) for part in command], timeout_s, as_caller)
        if done.returncode in (126, 127):
            raise EmbeddedError(
                f"{Path(command[0]).name} does not run on this system: {last_line(done.stderr)} "
                "(install that library, or set DATABASE_URL and REDIS_URL)."
            )
        return done

    def spawn(self, *command: str | Path) -> subprocess.Popen[bytes]:
        """Start a server in a session of its own, so that Ctrl-C does not stop it before its users."""
        try:
            return subprocess.Popen([str(part) for part in command], **self._start_options())
        except OSError as error:
            raise EmbeddedError(f"{command[0]} cannot be started: {error.strerror}.") from None

    def _run(self, command: list[str], timeout_s: float, as_caller: bool) -> subprocess.CompletedProcess[str]:
        options = self._start_options(as_caller=as_caller)
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        try:
            return subprocess.run(command, text=True, errors="replace", timeout=timeout_s, **options)
        except subprocess.TimeoutExpired:
            raise EmbeddedError(f"{Path(command[0]).name} did not end within {timeout_s:.0f} s.") from None
        except OSError as error:
            raise EmbeddedError(f"{command[0]} cannot be started: {error.strerror}.") from None

    def _start_options(self, *, as_caller: bool = False) -> dict:
        options = {
            "cwd": self.data,
            "env": without_postgres_settings(os.environ),
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
            "start_new_session": True,
            "umask": 0o077,
        }
        if as_caller or not self.for_root:
            return options
        return options | {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}


def close_to_others(folder: Path) -> None:
    """Create the folder of VAR for this account alone, or close it where the usual umask left it open to all.

    Models tell who touched what, and logs who came. A folder that is open to its group alone was made so.
    """
    with contextlib.suppress(OSError):  # whoever needs the folder says what is wrong with it
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid == os.geteuid() and status.st_mode & 0o007:
            folder.chmod(0o700)


def readable_copy(name: str, parts: Mapping[str, Path]) -> Path:
    """Copy programs (path in the copy -> source), once for each name, to where any account can run them.

    The copy is renamed into place when complete. For root only.
    """
    copy = ROOT_HOMES / name
    if not copy.exists():
        new = ROOT_HOMES / f"{name}.{os.getpid()}"
        for inside, source in parts.items():
            _copy(source, new / inside)
        for path in (new, *new.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)  # regardless of the umask at installation
        with contextlib.suppress(OSError):  # another process was first
            new.rename(copy)
        shutil.rmtree(new, ignore_errors=True)
    return copy


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    elif source.exists():
        shutil.copy(source, target)


def last_line(text: str, *, holding: tuple[str, ...] = ()) -> str:
    """The last non-blank line with one of the words in `holding`, or the last non-blank line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    matching = [line for line in lines if any(word in line for word in holding)]
    return (matching or lines or ["no message"])[-1]


def without_postgres_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without PGDATA, PGPORT and the like, and with English messages, which are parsed."""
    kept = {name: value for name, value in environment.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def process_in(folder: Path, pid: int) -> bool:
    """Whether a process with this pid has `folder` as its working directory, since a pid may be reused."""
    link = Path(f"/proc/{pid}/cwd")
    if Path("/proc/self/cwd").exists():
        with contextlib.suppress(OSError):
            return str(link.readlink()).removesuffix(" (deleted)") == str(folder)
        return False
    listed = subprocess.run(
        ["lsof", "-a", "-p", str(pid), "-d", "cwd", "-Fn"], capture_output=True, text=True
    )
    return f"n{folder}" in listed.stdout.splitlines()


def pid_in(file: Path) -> int | None:
    """The pid on a file's first line; None when missing or malformed."""
    try:
        return int(file.read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def _unprivileged_account() -> pwd.struct_passwd:
    for name in UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedError(
        f"PostgreSQL refuses to run as root and there is no account '{UNPRIVILEGED[0]}': "
        "create one, run as another user, or set DATABASE_URL and REDIS_URL."
    )
