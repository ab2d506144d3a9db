"""The programs of PostgreSQL that dump and restore."""

from pathlib import Path

import pytest
from django.db import connection

from marketplace.backups import pg_tools
from marketplace.servers.postgres import INSTALLATION


class TestPrograms:
    def test_the_command_line_of_pg_dump_does_not_show_the_password(self, db):
        other = connection.copy()
        other.settings_dict["PASSWORD"] = "hunter2-hunter2"
        assert "hunter2" not in pg_tools._address(other)

    @pytest.mark.parametrize(("server", "chosen"), [(18, 18), (17, 17), (16, 17)])
    def test_pg_dump_is_of_the_servers_version_or_the_next_newer(self, server, chosen):
        versions = {Path("/wheel"): 18, Path("/usr/bin"): 17, Path("/broken"): 0}
        assert versions[pg_tools.fitting(versions, server)] == chosen

    def test_pg_dump_older_than_the_server_is_refused(self):
        with pytest.raises(pg_tools.NoPrograms, match="PostgreSQL 19"):
            pg_tools.fitting({Path("/wheel"): 18}, 19)

    def test_pg_dump_of_the_wheel_is_found_without_any_on_path(self, db, monkeypatch):
        monkeypatch.setenv("PATH", "/nowhere")
        assert pg_tools.folder_for(connection).parts[-2:] == (INSTALLATION, "bin")
