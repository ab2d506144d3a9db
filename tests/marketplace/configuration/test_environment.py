"""Every program refuses an invalid environment at start, in one line."""

import re
from pathlib import Path

import pytest

from marketplace.configuration.environment import EVENT_WEIGHTS, BadEnvironment, Environment, read_environment
from tests.marketplace.programs import NOWHERE, ROOT, SECRET

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
    "PHOTO_STRANGERS_PIXELS": ["999", "many"],
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
    "LISTING_WRITES_PER_MINUTE": ["-1", "few"],
    "EVENTS_PER_MINUTE": ["-1", "few"],
    "NEW_VISITORS_PER_MINUTE": ["-1", "few"],
    "KEPT_PAGES_PER_MINUTE": ["-1", "few"],
    "SERVICE_RATE_FACTOR": ["0", "-1", "many"],
    "RETRAIN_HOUR": ["24", "-1", "noon"],
    "RETRAIN_AFTER_EVENTS": ["-1", "many", "1.5"],
    "RETRAIN_LEAST_HOURS": ["-1", "25", "nan", "often"],
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


class TestSettingsPage:
    def test_the_settings_page_lists_every_variable_and_no_other(self):
        rows = re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text(), flags=re.MULTILINE)
        assert sorted(rows) == sorted({name.upper() for name in Environment.model_fields})
