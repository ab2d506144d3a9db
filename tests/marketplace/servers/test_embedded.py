"""The embedded servers, as real processes. Without Django."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from marketplace.servers import embedded
from marketplace.servers.embedded import EmbeddedServers
from marketplace.servers.home import EmbeddedError, ServerHome, pid_in, process_in

ROOT = Path(__file__).resolve().parents[3]
HOLDER = """
import sys
from pathlib import Path
from marketplace.servers.embedded import EmbeddedServers
servers = EmbeddedServers(Path(sys.argv[1]), durable=False)
servers.hold()
print("held", flush=True)
sys.stdin.readline()
servers.release()
print("released", flush=True)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One VAR folder for the whole module, because creating a cluster takes longer than the tests."""
    folder = tmp_path_factory.mktemp("embedded") / "var"
    yield folder
    erase(folder)


@pytest.fixture
def servers(folder):
    servers = EmbeddedServers(folder, durable=False)
    servers.hold()
    yield servers
    servers.release()


@pytest.fixture
def holder(folder):
    """Starts processes that hold the servers until they read a line."""
    started = []

    def start() -> subprocess.Popen:
        command = [sys.executable, "-c", HOLDER, str(folder)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        started.append(subprocess.Popen(command, cwd=ROOT, text=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        with contextlib.suppress(BrokenPipeError, ValueError):
            process.communicate("\n", timeout=20)


def erase(folder: Path) -> None:
    home = ServerHome(folder)
    for remains in [home.sockets, *([home.data, home.data.with_suffix(".old")] if home.for_root else [])]:
        shutil.rmtree(remains, ignore_errors=True)


def is_up(servers: EmbeddedServers) -> bool:
    with contextlib.suppress(psycopg.OperationalError, redis.ConnectionError):
        ask(servers, "SELECT 1")
        return redis_of(servers).ping()
    return False


def ask(servers: EmbeddedServers, question: str):
    with psycopg.connect(servers.postgres.url) as connection:
        cursor = connection.execute(question)
        return cursor.fetchone()[0] if cursor.description else None


def redis_of(servers: EmbeddedServers) -> redis.Redis:
    return redis.Redis.from_url(servers.redis.url, decode_responses=True)


def pids(servers: EmbeddedServers) -> dict[Path, int]:
    files = (servers.postgres.data / "postmaster.pid", servers.redis.data / "redis.pid")
    return {file.parent: pid for file in files if (pid := pid_in(file)) is not None}


def kill_both(servers: EmbeddedServers) -> None:
    for folder, pid in pids(servers).items():
        os.kill(pid, signal.SIGKILL)
        while process_in(folder, pid):
            time.sleep(0.01)


class TestAddresses:
    def test_server_addresses_are_known_before_the_servers_run(self, tmp_path):
        assert embedded.database_url(tmp_path / "var").startswith("postgresql://postgres@%2Ftmp%2F")
        assert embedded.redis_url(tmp_path / "var").startswith("unix:///tmp/")
        assert not (tmp_path / "var").exists()

    def test_a_socket_path_fits_into_107_bytes_however_long_the_folder_is(self, tmp_path):
        home = ServerHome(tmp_path / ("long" * 50) / ("é" * 100) / "var")
        assert len(bytes(home.sockets / ".s.PGSQL.5432.lock")) < 60

    def test_two_var_folders_have_two_server_addresses(self, tmp_path):
        assert embedded.redis_url(tmp_path / "a") != embedded.redis_url(tmp_path / "b")

    def test_a_relative_var_folder_has_the_same_server_address(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert embedded.redis_url(Path("var")) == embedded.redis_url(tmp_path / "var")


class TestLife:
    def test_postgresql_and_redis_answer_and_the_database_exists(self, servers):
        assert ask(servers, "SELECT current_database()") == "marketplace"
        assert redis_of(servers).ping()

    def test_the_database_changes_the_case_of_accented_letters(self, servers):
        assert ask(servers, "SELECT upper('çé')") == "ÇÉ"

    def test_embedded_servers_listen_on_no_network(self, servers):
        assert ask(servers, "SELECT current_setting('listen_addresses')") == ""
        assert redis_of(servers).config_get("port") == {"port": "0"}

    def test_a_full_redis_refuses_writes_and_evicts_nothing(self, servers):
        assert redis_of(servers).config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}

    def test_holding_the_servers_twice_counts_once(self, servers):
        before = pids(servers)
        servers.hold()
        assert pids(servers) == before
        servers.release()
        assert not is_up(servers)

    def test_servers_started_again_find_their_data_and_create_no_new_cluster(self, servers):
        ask(servers, "CREATE TABLE IF NOT EXISTS kept (n int)")
        identity = ask(servers, "SELECT system_identifier FROM pg_control_system()")
        servers.release()
        assert not is_up(servers)
        servers.hold()
        assert ask(servers, "SELECT count(*) FROM kept") == 0
        assert ask(servers, "SELECT system_identifier FROM pg_control_system()") == identity

    def test_a_forked_child_leaves_the_servers_alone(self, servers):
        if (child := os.fork()) == 0:
            servers.release()
            os._exit(0)
        os.waitpid(child, 0)
        assert is_up(servers)

    def test_embedded_servers_write_durably_by_default(self, tmp_path):
        durable = EmbeddedServers(tmp_path)
        assert "fsync" not in str(durable.postgres._start_command())
        assert "yes" in durable.redis._command()[durable.redis._command().index("--appendonly") + 1]


class TestSeveralProcesses:
    def test_two_processes_that_start_at_once_share_the_servers(self, folder, holder):
        both = [holder(), holder()]
        assert [process.stdout.readline() for process in both] == ["held\n", "held\n"]
        assert is_up(EmbeddedServers(folder))

    def test_the_servers_stop_when_the_last_process_releases_them(self, folder, holder):
        alice, bob = holder(), holder()
        assert [alice.stdout.readline(), bob.stdout.readline()] == ["held\n", "held\n"]
        assert alice.communicate("\n")[0] == "released\n"
        assert is_up(EmbeddedServers(folder))
        assert bob.communicate("\n")[0] == "released\n"
        assert not is_up(EmbeddedServers(folder))

    def test_servers_of_a_killed_process_are_stopped_by_the_next_one(self, folder, holder):
        killed = holder()
        killed.stdout.readline()
        killed.kill()
        killed.wait()
        servers = EmbeddedServers(folder, durable=False)
        servers.hold()
        assert is_up(servers)
        servers.release()
        assert not is_up(servers)


class TestAfterKillNine:
    def test_data_are_recovered_after_both_servers_are_killed(self, folder):
        servers = EmbeddedServers(folder)
        servers.hold()
        ask(servers, "CREATE TABLE recovered (n int)")
        redis_of(servers).set("recovered", "yes")
        kill_both(servers)
        servers.hold()
        assert ask(servers, "SELECT count(*) FROM recovered") == 0
        assert redis_of(servers).get("recovered") == "yes"
        servers.release()

    def test_servers_start_over_pid_files_that_name_another_process(self, servers):
        kill_both(servers)
        for file in (servers.postgres.data / "postmaster.pid", servers.redis.data / "redis.pid"):
            lines = file.read_text().splitlines() if file.exists() else []
            file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
        servers.hold()
        assert is_up(servers)

    def test_servers_with_deleted_sockets_are_reached_again(self, servers):
        (servers.home.sockets / ".s.PGSQL.5432").unlink()
        servers.redis.socket.unlink()
        servers.hold()
        assert is_up(servers)

    def test_a_database_cluster_whose_creation_was_interrupted_is_created_again(self, tmp_path):
        servers = EmbeddedServers(tmp_path, durable=False)
        servers.home.prepare()
        servers.home.make_private(servers.postgres.data.with_suffix(".new"))
        servers.home.write_link()
        servers.hold(redis=False)
        assert ask(servers, "SELECT 1") == 1
        servers.release()
        erase(tmp_path)

    def test_deleting_var_deletes_the_data_even_while_the_servers_run(self, tmp_path):
        servers = EmbeddedServers(tmp_path / "var", durable=False)
        servers.hold()
        ask(servers, "CREATE TABLE forgotten (n int)")
        shutil.rmtree(tmp_path / "var")
        successor = EmbeddedServers(tmp_path / "var", durable=False)
        successor.hold()
        assert ask(successor, "SELECT to_regclass('forgotten')") is None
        successor.release()
        erase(tmp_path / "var")


class TestPermissions:
    def test_sockets_lie_in_a_folder_that_is_closed_to_others(self, servers):
        assert servers.home.sockets.stat().st_mode & 0o777 == 0o700

    def test_the_data_folder_is_closed_to_others(self, servers):
        assert servers.postgres.data.stat().st_mode & 0o077 == 0

    def test_folders_above_var_keep_their_permissions(self, tmp_path):
        private = tmp_path / "home"
        private.mkdir(mode=0o700)
        above = [private, *private.parents]
        before = [(path.stat().st_mode, path.stat().st_uid) for path in above]
        servers = EmbeddedServers(private / "var", durable=False)
        servers.hold()
        assert is_up(servers)
        servers.release()
        assert [(path.stat().st_mode, path.stat().st_uid) for path in above] == before
        erase(private / "var")

    def test_a_socket_folder_that_others_may_write_is_refused(self, tmp_path):
        home = ServerHome(tmp_path)
        home.sockets.mkdir()
        home.sockets.chmod(0o777)
        with pytest.raises(EmbeddedError, match="not a private folder"):
            home.prepare()
        erase(tmp_path)


class TestWhatIsSaidWhenItCannotStart:
    def test_a_var_folder_that_cannot_be_written_is_refused_by_naming_the_setting(self):
        with pytest.raises(EmbeddedError, match="set VAR to a folder that is") as refusal:
            EmbeddedServers(Path("/proc/marketplace")).hold()
        assert "\n" not in str(refusal.value)

    def test_a_missing_shared_library_is_named_as_the_loader_names_it(self, tmp_path):
        home = ServerHome(tmp_path)
        home.prepare()
        loader = "echo 'x: error while loading shared libraries: libz.so.1: cannot open' >&2; exit 127"
        with pytest.raises(EmbeddedError, match=r"libz\.so\.1"):
            home.run("/bin/sh", "-c", loader)
        erase(tmp_path)

    def test_without_any_redis_the_error_says_what_to_install(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(EmbeddedError, match="install redis-server or valkey-server, or set REDIS_URL"):
            EmbeddedServers(tmp_path).hold(postgres=False)
        erase(tmp_path)
