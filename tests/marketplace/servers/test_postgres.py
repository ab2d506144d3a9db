"""The embedded PostgreSQL."""

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
