"""The embedded servers, as real processes. Without Django."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from marketplace.servers import embedded
from marketplace.servers.embedded import EmbeddedServers
from marketplace.servers.home import EmbeddedError
from tests.marketplace.servers.asking import ask, erase, is_up, kill_both, pids, redis_of

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


class TestAddresses:
    def test_server_addresses_are_known_before_the_servers_run(self, tmp_path):
        assert embedded.database_url(tmp_path / "var").startswith("postgresql://postgres@%2Ftmp%2F")
        assert embedded.redis_url(tmp_path / "var").startswith("unix:///tmp/")
        assert not (tmp_path / "var").exists()

    def test_two_var_folders_have_two_server_addresses(self, tmp_path):
        assert embedded.redis_url(tmp_path / "a") != embedded.redis_url(tmp_path / "b")

    def test_a_relative_var_folder_has_the_same_server_address(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert embedded.redis_url(Path("var")) == embedded.redis_url(tmp_path / "var")


class TestLife:
    def test_postgresql_and_redis_answer_and_the_database_exists(self, servers):
        assert ask(servers, "SELECT current_database()") == "marketplace"
        assert redis_of(servers).ping()

    def test_embedded_servers_listen_on_no_network(self, servers):
        assert ask(servers, "SELECT current_setting('listen_addresses')") == ""
        assert redis_of(servers).config_get("port") == {"port": "0"}

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


class TestWhatIsSaidWhenItCannotStart:
    def test_a_var_folder_that_cannot_be_written_is_refused_by_naming_the_setting(self):
        with pytest.raises(EmbeddedError, match="set VAR to a folder that is") as refusal:
            EmbeddedServers(Path("/proc/marketplace")).hold()
        assert "\n" not in str(refusal.value)
