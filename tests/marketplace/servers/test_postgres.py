"""The embedded PostgreSQL."""

import os

import pytest

from marketplace.servers import postgres
from marketplace.servers.embedded import EmbeddedServers
from tests.marketplace.servers.asking import ask, erase


class TestDatabase:
    def test_the_database_changes_the_case_of_accented_letters(self, servers):
        assert ask(servers, "SELECT upper('çé')") == "ÇÉ"

    def test_a_database_cluster_whose_creation_was_interrupted_is_created_again(self, tmp_path):
        servers = EmbeddedServers(tmp_path, durable=False)
        servers.home.prepare()
        servers.home.make_private(servers.postgres.data.with_suffix(".new"))
        servers.home.write_link()
        servers.hold(redis=False)
        assert ask(servers, "SELECT 1") == 1
        servers.release()
        erase(tmp_path)


class TestWhoMayConnect:
    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another account")
    def test_no_other_account_may_connect_not_even_that_of_the_servers(self, servers):
        programs, address = postgres._programs(servers.home), ("-h", servers.home.sockets, "-U", "postgres")
        question = (programs / "psql", *address, "-c", "SELECT 1", "postgres")
        assert servers.home.run(*question, as_caller=True).returncode == 0
        refused = servers.home.run(*question)
        assert refused.returncode != 0
        assert "Peer authentication failed" in refused.stderr

    def test_a_cluster_that_trusted_everybody_trusts_this_account_alone_after_a_restart(self, tmp_path):
        servers = EmbeddedServers(tmp_path, durable=False)
        servers.hold(redis=False)
        servers.release()
        rules = servers.postgres.data / "pg_hba.conf"
        rules.write_text("local all all trust\n")
        servers.hold(redis=False)
        assert "trust" not in rules.read_text()
        assert ask(servers, "SELECT 1") == 1
        servers.release()
        erase(tmp_path)
