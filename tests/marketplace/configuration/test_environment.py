"""Every program refuses an invalid environment at start, in one line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from marketplace import entry
from marketplace.configuration.environment import EVENT_WEIGHTS, BadEnvironment, Environment, read_environment
from recommendations.collaborative import history
from recommendations.interactions import retractions
from recommendations.interactions import weights as interactions_weights
from recommendations.models.events import Interaction
from recommendations.popularity import trending
from recommendations.taste import profile

ROOT = Path(__file__).resolve().parents[3]
SECRET = "hunter2-hunter2"
NOWHERE = "postgresql://shop:hunter2-hunter2@127.0.0.1:1/shop"

BAD = {
    "PORT": ["abc", "0", "65536", "80.5"],
    "DEBUG": ["maybe"],
    "SECRET_KEY": [SECRET],
    "DATABASE_URL": [
        f"mysql://shop:{SECRET}@localhost/shop",
        f"postgresql://shop:{SECRET}@localhost:port/shop",
        f"postgresql://shop:{SECRET}@localhost",
        f"postgresql://shop:{SECRET}@[::1/shop",
        "shop.db",
    ],
    "REDIS_URL": [f"http://:{SECRET}@localhost", f"redis://:{SECRET}@localhost:99999999", "localhost:6379"],
    "IMAGE_WEIGHTS": ["/nowhere/weights.safetensors", "/tmp"],
    "WEIGHTS_DOWNLOAD_TIMEOUT_S": ["soon", "-1", "nan", "inf"],
    "CURRENCY": ["pounds", "gbp"],
    "COUNTRY": ["Britain", "gb"],
    "MAXIMUM_PRICE": ["free", "0", "-1", "NaN", "1e30"],
    "PHOTO_MAXIMUM_BYTES": ["many", "1"],
    "PHOTO_MAXIMUM_PIXELS": ["many", "1"],
    "TIME_ZONE": ["Europe/Londn", "../etc/passwd"],
    "LOG_LEVEL": ["LOUD"],
    "NATIVE_THREADS": ["0", "all"],
    "ENCODE_TIMEOUT_S": ["0", "-1", "31", "nan", "soon"],
    "PLAIN_IMAGE_API": ["maybe"],
    "HTTPS_ONLY": ["sometimes"],
    "PHOTO_HOSTS": ["https://img.shop.example", "img.shop.example:444", "localhost", "img.shop.example/a"],
    "PROXY_COUNT": ["-1", "11", "some"],
    "LOGINS_PER_MINUTE": ["-1", "few", "1.5"],
    "PHOTO_SEARCHES_PER_MINUTE": ["-1", "few"],
    "UPLOADS_PER_MINUTE": ["-1", "few"],
    "EVENTS_PER_MINUTE": ["-1", "few"],
    "NEW_VISITORS_PER_MINUTE": ["-1", "few"],
    "KEPT_PAGES_PER_MINUTE": ["-1", "few"],
    "SERVICE_RATE_FACTOR": ["0", "-1", "many"],
    "RETRAIN_HOUR": ["24", "-1", "noon"],
    "RETRAIN_AFTER_EVENTS": ["-1", "many", "1.5"],
    "EVENT_WEIGHTS": [
        *("dance=3", "view", "view=", "view=-1", "view=nan", "view=inf", "view=1,view=2", "hide=1"),
        "view=0,click=0,favourite=0,message=0,offer=0,purchase=0",
    ],
    "SOURCE_WEIGHTS": ["actor", "actor=", "actor=-1", "actor=nan", "actor=inf", "actor=1,actor=2", "=1"],
    "QUARANTINE_EVENTS_PER_DAY": ["-1", "many", "1.5"],
    "COVISITATION_SOURCE_EXPONENT": ["-0.1", "2.1", "nan", "half"],
    "COVISITATION_TARGET_EXPONENT": ["-0.1", "2.1", "inf", "half"],
    "CSRF_TRUSTED_ORIGINS": ["shop.example", "https://a.example,b.example"],
}


def started(*command: str, **variables: str) -> subprocess.CompletedProcess:
    """Run a command to its end in a minimal environment."""
    needed = ("PATH", "VAR", "SECRET_KEY") if "DATABASE_URL" in variables else ("PATH", "VAR")
    environment = {name: os.environ[name] for name in needed} | variables
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100
    )


class TestReading:
    @pytest.mark.parametrize(("name", "value"), [(name, value) for name in BAD for value in BAD[name]])
    def test_a_bad_value_of_a_variable_is_refused_in_one_line(self, monkeypatch, name, value):
        monkeypatch.setenv(name, value)
        with pytest.raises(BadEnvironment) as refusal:
            read_environment()
        line = str(refusal.value)
        assert re.fullmatch(rf"{name}: found .+; accepted: .+\.", line), line
        assert SECRET not in line
        assert name in ("SECRET_KEY", "DATABASE_URL", "REDIS_URL") or value in line

    def test_every_bad_variable_has_a_line_of_its_own(self, monkeypatch):
        monkeypatch.setenv("PORT", "abc")
        monkeypatch.setenv("DEBUG", "maybe")
        with pytest.raises(BadEnvironment) as refusal:
            read_environment()
        assert sorted(line.split(":")[0] for line in str(refusal.value).splitlines()) == ["DEBUG", "PORT"]

    @pytest.mark.parametrize("name", sorted(name.upper() for name in Environment.model_fields))
    def test_an_empty_variable_counts_as_unset(self, monkeypatch, name):
        monkeypatch.delenv(name, raising=False)
        expected = read_environment()
        monkeypatch.setenv(name, "")
        assert read_environment() == expected

    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("PORT", "8001", 8001),
            ("DEBUG", "true", True),
            ("ALLOWED_HOSTS", "shop.example, www.shop.example", ["shop.example", "www.shop.example"]),
            ("CSRF_TRUSTED_ORIGINS", "https://shop.example", ["https://shop.example"]),
            ("DATABASE_URL", NOWHERE, NOWHERE),
            ("REDIS_URL", "unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
            ("NATIVE_THREADS", "2", 2),
            ("IMAGE_WEIGHTS", __file__, Path(__file__).resolve()),
            ("RETRAIN_AFTER_EVENTS", "0", 0),
            ("EVENT_WEIGHTS", " view = 0.5 ,message=10,", EVENT_WEIGHTS | {"view": 0.5, "message": 10.0}),
            ("COVISITATION_SOURCE_EXPONENT", "0", 0.0),
        ],
    )
    def test_a_good_value_sets_its_field(self, monkeypatch, name, value, expected):
        monkeypatch.setenv(name, value)
        assert getattr(read_environment(), name.lower()) == expected


class TestStarting:
    """Each test starts a process, which ends with status 2 and one line."""

    @pytest.mark.parametrize(
        "command",
        [
            ["manage.py", "check"],
            ["manage.py", "migrate"],
            ["-m", "celery", "-A", "marketplace", "worker"],
            ["-m", "celery", "-A", "marketplace", "beat"],
        ],
        ids=lambda command: command[-1],
    )
    def test_programs_with_a_bad_variable_end_with_one_line(self, command):
        ended = started(*command, PORT="abc")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == 'PORT: found "abc"; accepted: a valid integer.\n'

    def test_gunicorn_ends_on_a_bad_variable_instead_of_restarting_its_workers(self):
        command = ["-m", "gunicorn", "marketplace.wsgi:application", "--bind", "127.0.0.1:0"]
        ended = started(*command, PORT="abc")
        assert ended.returncode == 3
        assert ended.stderr.count('PORT: found "abc"; accepted: a valid integer.') == 1
        assert "Traceback" not in ended.stderr

    def test_migrate_ends_with_one_line_when_the_database_cannot_be_reached(self):
        ended = started("manage.py", "migrate", DATABASE_URL=NOWHERE, REDIS_URL="redis://127.0.0.1:1")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert re.fullmatch(r"DATABASE_URL: the database cannot be reached: .+\n", ended.stderr)
        assert SECRET not in ended.stderr

    @pytest.mark.parametrize(
        ("command", "variables"),
        [
            (["manage.py", "check"], {}),
            (["manage.py", "migrate"], {}),
            (["manage.py", "migrate"], {"REDIS_URL": "redis://127.0.0.1:1"}),
            (["-m", "celery", "-A", "marketplace", "worker"], {}),
        ],
        ids=["check", "own servers", "another Redis", "celery"],
    )
    def test_programs_end_with_one_line_when_var_cannot_be_written(self, command, variables):
        ended = started(*command, VAR="/dev/null/var", **variables)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.count("\n") == 1
        assert "VAR" in ended.stderr
        assert "/dev/null/var" in ended.stderr

    def test_a_program_ends_with_one_line_when_redis_cannot_be_reached(self, capsys):
        with pytest.raises(SystemExit) as end, entry.plain_errors():
            redis.Redis.from_url("redis://127.0.0.1:1").ping()
        assert end.value.code == 2
        assert re.fullmatch(r"REDIS_URL: Redis cannot be reached: .+\n", capsys.readouterr().err)

    def test_a_programming_error_keeps_its_traceback(self):
        with pytest.raises(ZeroDivisionError), entry.plain_errors():
            print(1 / 0)

    @pytest.mark.parametrize("variable", ["IMAGE_BACKBONE", "IMAGE_WEIGHTS"])
    def test_embed_ends_with_one_line_when_the_backbone_cannot_be_used(
        self, variable, tmp_path, test_database
    ):
        weights = tmp_path / "broken.safetensors"
        weights.write_bytes(b"no weights")
        values = {"IMAGE_BACKBONE": "resnet5000", "IMAGE_WEIGHTS": str(weights)}
        chosen = {variable: values[variable]}
        ended = started("manage.py", "embed", "--no-wait", **chosen, **test_database)
        assert ended.returncode == 2
        value = "resnet5000" if variable == "IMAGE_BACKBONE" else weights.name
        assert re.fullmatch(rf"{variable}: found .*{value}.*; accepted: .+\.\n", ended.stderr), ended.stderr

    @pytest.fixture
    def test_database(self, transactional_db, settings) -> dict[str, str]:
        """Variables with which another process uses the database of this test."""
        database = settings.DATABASES["default"]
        address = f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}"
        return {"DATABASE_URL": address, "REDIS_URL": settings.REDIS_URL}


class TestEventWeights:
    def test_every_kind_of_event_that_expresses_interest_has_a_weight(self):
        telling_nothing = {*interactions_weights.NEGATIVE_KINDS, *retractions.RETRACTS}
        assert set(EVENT_WEIGHTS) == set(Interaction.Kind.values) - telling_nothing

    def test_training_profiles_and_trending_read_the_same_event_weights(self):
        readers = (history, profile, trending)
        assert all(reader.WEIGHTS is interactions_weights.EVENT_WEIGHTS for reader in readers)

    def test_the_environment_sets_event_weights(self):
        code = "from recommendations.interactions.weights import WEIGHTS as w; print(w['view'], w['hide'])"
        servers = {"DATABASE_URL": NOWHERE, "REDIS_URL": "redis://127.0.0.1:1"}
        process = started("manage.py", "shell", "-c", code, EVENT_WEIGHTS="view=0.25", **servers)
        assert process.stdout.splitlines()[-1] == "0.25 0.0", process.stderr


class TestSourceWeights:
    def test_source_weights_are_read_by_whole_name_or_by_kind(self, monkeypatch):
        monkeypatch.setenv("SOURCE_WEIGHTS", "service:newsletter=0.3, actor=0")
        assert read_environment().source_weights == {"service:newsletter": 0.3, "actor": 0.0}

    def test_no_source_weight_is_set_by_default(self):
        assert Environment.model_fields["source_weights"].default == {}


class TestSettingsPage:
    def test_the_settings_page_lists_every_variable_and_no_other(self):
        rows = re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text(), flags=re.MULTILINE)
        assert sorted(rows) == sorted({name.upper() for name in Environment.model_fields})
