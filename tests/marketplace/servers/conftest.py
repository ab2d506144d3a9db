"""Fixtures: embedded servers of one folder."""

import pytest

from marketplace.servers.embedded import EmbeddedServers
from tests.marketplace.servers.asking import erase


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """One VAR folder for all modules, because creating a cluster takes longer than the tests."""
    folder = tmp_path_factory.mktemp("embedded") / "var"
    yield folder
    erase(folder)


@pytest.fixture
def servers(folder):
    servers = EmbeddedServers(folder, durable=False)
    servers.hold()
    yield servers
    servers.release()
