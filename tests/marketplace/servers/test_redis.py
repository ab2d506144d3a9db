"""The embedded Redis."""

import pytest

from marketplace.servers.embedded import EmbeddedServers
from marketplace.servers.home import EmbeddedError
from tests.marketplace.servers.asking import erase, redis_of


class TestRedis:
    def test_a_full_redis_refuses_writes_and_evicts_nothing(self, servers):
        assert redis_of(servers).config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}

    def test_without_any_redis_the_error_says_what_to_install(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(EmbeddedError, match="install redis-server or valkey-server, or set REDIS_URL"):
            EmbeddedServers(tmp_path).hold(postgres=False)
        erase(tmp_path)
