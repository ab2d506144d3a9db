"""An installation of release 0.1, updated to this one: its database and files are taken over as they are.

`make_release_0_1.txt` says how the archive was made.
"""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]
ARCHIVE = Path(__file__).parent / "release_0_1.tar.gz"
DATABASE = "release_0_1"

MIGRATE = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
LOOK = [sys.executable, "-c", (Path(__file__).parent / "look.py").read_text()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """VAR of that installation, beside its database as statements."""
    folder = tmp_path_factory.mktemp("release_0_1")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def expected(folder) -> dict:
    """What release 0.1 answered."""
    return json.loads((folder / "expected.json").read_text())


@pytest.fixture(scope="module")
def environment(folder, expected, django_db_setup):
    """Leads to a server that holds the database of that installation."""
    from django.conf import settings

    server = settings.DATABASES["default"]
    address = f"postgresql://{server['USER']}@/{{}}?host={server['HOST']}"
    with psycopg.connect(address.format("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        connection.execute(f"CREATE DATABASE {DATABASE}")
    with psycopg.connect(address.format(DATABASE)) as connection:
        connection.execute((folder / "database.sql").read_text())
    yield os.environ | {
        "DATABASE_URL": address.format(DATABASE),
        "REDIS_URL": settings.REDIS_URL,
        "VAR": str(folder),
        "SECRET_KEY": expected["secret_key"],
    }
    with psycopg.connect(address.format("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def answers(environment, expected) -> dict:
    """What this release answers on the same database and files, after its migrations."""
    run(MIGRATE, environment)
    return json.loads(run(LOOK, environment | {"EXPECTED": json.dumps(expected)}).splitlines()[-1])


def test_the_index_generation_of_the_old_release_is_read_and_not_built_again(answers, expected):
    assert answers["generation"] == expected["generation"]
    assert answers["encoder_version"] == expected["encoder_version"]
    assert answers["live_listing_count"] == expected["live_listing_count"]


def test_the_change_log_of_the_old_release_is_followed_from_where_it_was(answers, expected):
    assert answers["seq"] >= expected["seq"]


def test_the_collaborative_model_of_the_old_release_serves(answers, expected):
    assert answers["collaborative_version"] == expected["collaborative_version"]
    assert answers["degraded"] == expected["degraded"]


def test_a_feed_is_personalised_after_the_upgrade(answers, expected):
    assert len(answers["first_page"]) == len(expected["first_page"])
    assert any(answers["reasons"])


def test_a_cursor_of_the_old_release_leads_to_the_same_second_page(answers, expected):
    assert answers["second_page"] == expected["second_page"]


def test_similar_listings_have_the_same_scores_after_the_upgrade(answers, expected):
    assert answers["similar"] == pytest.approx(expected["similar"], abs=1e-4)


def test_a_service_key_of_the_old_release_is_accepted(answers):
    assert answers["listing_status"] == 200
    assert answers["event_outcomes"] == ["accepted"]
