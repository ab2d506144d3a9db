"""The folders of VAR and of embedded servers, closed to others."""

import os
import stat
from pathlib import Path

import pytest

from marketplace import entry
from marketplace.servers import home as server_home
from marketplace.servers.embedded import EmbeddedServers
from marketplace.servers.home import EmbeddedError, ServerHome
from tests.marketplace.servers.asking import erase, is_up


def mode_of(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


@pytest.fixture
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


class TestTheFolderOfTheInstallation:
    def test_a_new_folder_is_for_this_account_alone(self, tmp_path, usual_umask):
        server_home.close_to_others(tmp_path / "some" / "var")
        assert mode_of(tmp_path / "some" / "var") == 0o700

    @pytest.mark.parametrize(
        ("before", "after"), [(0o755, 0o700), (0o777, 0o700), (0o770, 0o770), (0o700, 0o700)]
    )
    def test_a_folder_that_is_open_to_all_is_closed_and_no_other(self, tmp_path, before, after):
        tmp_path.chmod(before)
        server_home.close_to_others(tmp_path)
        assert mode_of(tmp_path) == after

    def test_a_path_that_cannot_be_a_folder_is_left_alone(self, tmp_path):
        (tmp_path / "var").write_text("a file")
        server_home.close_to_others(tmp_path / "var")
        assert (tmp_path / "var").read_text() == "a file"

    def test_every_command_closes_the_folder_as_it_starts(self, tmp_path, usual_umask, monkeypatch):
        monkeypatch.setenv("VAR", str(tmp_path / "var"))
        entry.prepare(["check"])
        assert mode_of(tmp_path / "var") == 0o700


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


class TestTheAccountOfTheServers:
    @pytest.fixture
    def as_root(self, monkeypatch, tmp_path):
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(server_home, "ROOT_HOMES", tmp_path)

    def test_for_root_it_is_an_account_of_its_own_where_the_machine_has_one(self, as_root, monkeypatch):
        monkeypatch.setattr(server_home, "UNPRIVILEGED", ("daemon", "nobody"))
        assert ServerHome(Path("/srv/var")).account.pw_name == "daemon"
        monkeypatch.setattr(server_home, "UNPRIVILEGED", ("no such account", "nobody"))
        assert ServerHome(Path("/srv/var")).account.pw_name == "nobody"

    def test_data_keep_the_account_that_they_have(self, as_root, monkeypatch):
        home = ServerHome(Path("/srv/var"))
        home.data.mkdir()
        owner = home.data.stat().st_uid
        monkeypatch.setattr(server_home, "UNPRIVILEGED", ("daemon",))
        assert home.account.pw_uid == owner

    def test_without_any_account_the_message_says_what_to_do(self, as_root, monkeypatch):
        monkeypatch.setattr(server_home, "UNPRIVILEGED", ("no such account",))
        with pytest.raises(EmbeddedError, match="create one"):
            _ = ServerHome(Path("/srv/var")).account


class TestSockets:
    def test_a_socket_path_fits_into_107_bytes_however_long_the_folder_is(self, tmp_path):
        home = ServerHome(tmp_path / ("long" * 50) / ("é" * 100) / "var")
        assert len(bytes(home.sockets / ".s.PGSQL.5432.lock")) < 60


class TestPrograms:
    def test_a_missing_shared_library_is_named_as_the_loader_names_it(self, tmp_path):
        home = ServerHome(tmp_path)
        home.prepare()
        loader = "echo 'x: error while loading shared libraries: libz.so.1: cannot open' >&2; exit 127"
        with pytest.raises(EmbeddedError, match=r"libz\.so\.1"):
            home.run("/bin/sh", "-c", loader)
        erase(tmp_path)
