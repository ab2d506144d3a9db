"""Fixtures: an empty database, and a backup."""

from pathlib import Path

import pytest
from django.db import connection

from marketplace.backups.backup import back_up
from tests import factories


@pytest.fixture
def elsewhere(transactional_db):
    """A connection to an empty database of this test's server."""
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS restored")
        cursor.execute("CREATE DATABASE restored TEMPLATE template0")
    other = connection.copy()
    other.settings_dict["NAME"] = "restored"
    yield other
    other.close()
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE restored WITH (FORCE)")


@pytest.fixture
def made(alice, settings, tmp_path, now) -> Path:
    """A backup with one photo and its owner."""
    factories.photo(factories.listing(alice))
    back_up(tmp_path / "backup", now=now)
    return tmp_path / "backup"
