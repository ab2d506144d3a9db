"""The folders of embedded servers, closed to others."""

import pytest

from marketplace.servers.embedded import EmbeddedServers
from marketplace.servers.home import EmbeddedError, ServerHome
from tests.marketplace.servers.asking import erase, is_up


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
