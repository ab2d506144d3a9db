"""Settings in production: a key of one's own, and HTTPS."""

import os
import re
import secrets
import subprocess
import sys

import pytest

from marketplace.configuration.environment import BadEnvironment, Environment
from marketplace.management.commands.demo import child_environment
from marketplace.servers import embedded
from marketplace.settings import _secret_key as chosen_key
from tests.marketplace.programs import NOWHERE, ROOT

GOOD_KEY = secrets.token_urlsafe(50)


def started(*command: str, **variables: str) -> subprocess.CompletedProcess:
    environment = {"PATH": os.environ["PATH"], "VAR": os.environ["VAR"]} | variables
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100
    )


PRODUCTION = {
    "DATABASE_URL": NOWHERE,
    "REDIS_URL": "redis://127.0.0.1:1",
    "SECRET_KEY": GOOD_KEY,
    "ALLOWED_HOSTS": "shop.example",
}


# Sends requests under these settings, without a database or Redis.
ASK = """
from django.test import Client
def show(response):
    headers = response.headers
    print(response.status_code, headers.get("Location"), headers.get("Strict-Transport-Security"))
show(Client().get("/api/docs/", headers={"host": "shop.example"}))
show(Client().get("/livez", headers={"host": "shop.example"}))
page = Client().get("/admin/login/", headers={"host": "shop.example", "x-forwarded-proto": "https"})
show(page)
print(*(f"{c.key}={bool(c['secure'])},{bool(c['httponly'])},{c['samesite']}" for c in page.cookies.values()))
"""


class TestProduction:
    def test_djangos_deployment_check_finds_no_issue_in_production(self):
        ended = started("manage.py", "check", "--deploy", "--fail-level", "DEBUG", **PRODUCTION)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == "System check identified no issues (0 silenced).\n"

    @pytest.mark.parametrize("password", ["password1", "short", "somebody"])
    def test_the_admin_refuses_easily_guessed_passwords(self, admin_client, password):
        form = {"username": "somebody", "password1": password, "password2": password}
        page = admin_client.post("/admin/auth/user/add/", form | {"usable_password": "true"})
        assert page.status_code == 200 and b"errorlist" in page.content

    def test_production_redirects_to_https_and_marks_cookies_secure(self):
        ended = started("manage.py", "shell", "-v", "0", "-c", ASK, **PRODUCTION)
        docs, livez, login, cookies = ended.stdout.splitlines()[-4:]
        assert docs == "301 https://shop.example/api/docs/ None"
        assert livez == "200 None None"  # a health check on the same machine
        assert login == "200 None max-age=31536000; includeSubDomains; preload"
        assert cookies == "csrftoken=True,True,Lax"

    @pytest.mark.parametrize(
        ("key", "reason"),
        [
            (None, "found nothing"),
            ("django-insecure-" + "3k29fj2093jf02j3f0j2f", "found an example"),
            ("x" * 50, "found an example"),
            ("the demo's", "found the one that the demo made"),
        ],
    )
    def test_a_missing_or_well_known_secret_key_is_refused_in_production(self, tmp_path, key, reason):
        (tmp_path / "secret_key").write_text(GOOD_KEY)
        chosen = GOOD_KEY if key == "the demo's" else key
        with pytest.raises(BadEnvironment) as refusal:
            chosen_key(Environment(secret_key=chosen, database_url=NOWHERE, var=tmp_path))
        assert re.fullmatch(rf"SECRET_KEY: {reason}.*; accepted: .+\.", str(refusal.value))
        assert GOOD_KEY not in str(refusal.value)

    def test_programs_end_with_one_line_without_a_secret_key_in_production(self):
        production = {name: value for name, value in PRODUCTION.items() if name != "SECRET_KEY"}
        ended = started("manage.py", "check", **production)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.startswith("SECRET_KEY: found nothing;") and ended.stderr.count("\n") == 1

    def test_processes_of_the_demo_use_its_servers_and_no_https(self, monkeypatch):
        monkeypatch.delenv("HTTPS_ONLY")
        variables = child_environment()
        assert "DATABASE_URL" in variables
        assert Environment(database_url=variables["DATABASE_URL"], var=variables["VAR"]).is_embedded
        assert variables["HTTPS_ONLY"] == "false"
        monkeypatch.setenv("HTTPS_ONLY", "true")
        assert child_environment()["HTTPS_ONLY"] == "true"

    def test_an_installation_on_embedded_servers_makes_a_secret_key_and_needs_no_https(self, tmp_path):
        environment = Environment(secret_key=None, database_url=None, https_only=None, var=tmp_path)
        assert len(chosen_key(environment)) > 50
        assert chosen_key(environment) == chosen_key(environment)
        assert (environment.is_https_only, environment.is_embedded) == (False, True)
        child = Environment(database_url=embedded.database_url(tmp_path), secret_key=None, var=tmp_path)
        assert chosen_key(child) == chosen_key(environment)  # it has the servers' URLs
        assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0
