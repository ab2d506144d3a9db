"""Security headers, production settings, and secrets in responses and logs."""

import logging
import os
import re
import secrets
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DataError, IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from listings import queries
from listings.models import Listing
from marketplace.configuration.environment import BadEnvironment, Environment
from marketplace.management.commands.demo import child_environment
from marketplace.models import ServiceKey
from marketplace.servers import embedded
from marketplace.settings import _secret_key as chosen_key
from marketplace.web.errors import describe_database_error, problem
from tests import factories, servers
from tests.factories import PASSWORD

ROOT = Path(__file__).resolve().parents[3]
NOWHERE = "postgresql://shop:hunter2-hunter2@127.0.0.1:1/shop"
GOOD_KEY = secrets.token_urlsafe(50)


def policy(response) -> dict[str, str]:
    """The Content-Security-Policy, by directive."""
    parts = (part.strip().partition(" ") for part in response.headers["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in parts}


class Inline(HTMLParser):
    """Inline scripts and handlers of a page, and its external resources."""

    def __init__(self, page: str):
        super().__init__()
        self.scripts: list[str] = []
        self.elsewhere: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        kind = given.get("type", "")
        if tag == "script" and "src" not in given and "json" not in kind:
            self.scripts.append(str(self.getpos()))
        self.scripts += [name for name, _ in attributes if name.startswith("on")]
        self.elsewhere += [url for name in ("src", "srcset") if "//" in (url := given.get(name) or "")]


class TestHeaders:
    @pytest.fixture
    def photo(self, alice):
        return factories.photo(factories.listing(alice))

    @pytest.mark.parametrize(
        "path", ["/api/v1/listings/", "/livez", "/api/v1/nothing/", "/admin/login/", "/api/docs/", "/"]
    )
    def test_every_response_has_security_headers(self, client, db, path):
        response = client.get(path)
        assert policy(response)["default-src"] == "'none'"
        assert policy(response)["frame-ancestors"] == "'none'"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Referrer-Policy"] == "same-origin"

    def test_a_500_has_security_headers(self, client, db, monkeypatch):
        monkeypatch.setattr(queries, "visible", lambda: 1 / 0)
        client.raise_request_exception = False
        response = client.get("/api/v1/listings/")
        assert response.status_code == 500 and policy(response)["default-src"] == "'none'"

    def test_pages_load_and_run_scripts_of_this_site_only(self, admin_client, photo):
        listing = photo.listing
        for path in (
            *("/admin/", "/admin/listings/listing/", f"/admin/listings/listing/{listing.pk}/change/"),
            *("/admin/recommendations/experiment/add/", "/admin/login/", "/api/docs/"),
        ):
            response = admin_client.get(path, follow=True)
            assert policy(response)["script-src"] == "'self'"
            page = Inline(response.content.decode())
            assert (path, page.scripts, page.elsewhere) == (path, [], [])

    def test_the_api_docs_find_their_scripts(self, client):
        page = client.get("/api/docs/").content.decode()
        scripts = re.findall(r'<script src="([^"]+)"', page)
        assert len(scripts) == 3
        for script in scripts:
            response = client.get(script.replace("&amp;", "&"))
            assert response.status_code == 200
            assert "javascript" in response.headers["Content-Type"]

    def test_a_photo_is_served_as_a_sandboxed_jpeg(self, client, photo):
        response = client.get(f"/media/{photo.file.name}")
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "image/jpeg"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert set(policy(response)) == {"default-src", "sandbox", "frame-ancestors"}
        assert response.headers["Content-Length"] == str(len(b"".join(response.streaming_content)))

    @pytest.mark.parametrize(
        "name",
        [
            *("photos/evil.html", "photos/ab/evil.svg", "photos/ab/../../secret_key", "secret_key"),
            *("photos/%2e%2e/%2e%2e/secret_key", "photos/", "photos/ab/", "photos//etc/passwd"),
        ],
    )
    def test_only_photos_are_served_from_the_media_folder(self, client, db, settings, name):
        folder = settings.MEDIA_ROOT
        (folder / "photos" / "ab").mkdir(parents=True)
        for file in (folder / "photos/evil.html", folder / "photos/ab/evil.svg", folder / "secret_key"):
            file.write_text("<script>")
        assert client.get(f"/media/{name}").status_code == 404


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

# Program that sends requests under these settings, without a database or Redis.
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


@pytest.fixture
def logged(caplog):
    """All records at DEBUG, with tracebacks."""
    caplog.set_level(logging.DEBUG)
    formatter = logging.Formatter("%(name)s %(message)s")
    return lambda: "\n".join(
        [*map(formatter.format, caplog.records), *map(repr, (r.args for r in caplog.records))]
    )


class TestWhatIsTold:
    """Neither responses nor logs contain private data."""

    @pytest.fixture
    def broken(self, monkeypatch):
        def broken():
            raise ZeroDivisionError("inner secret")

        monkeypatch.setattr(queries, "visible", broken)

    @pytest.mark.parametrize("path", ["/api/v1/listings/", "/admin/listings/listing/"])
    def test_a_500_shows_nothing_of_the_error_to_the_client(self, admin_client, broken, monkeypatch, path):
        monkeypatch.setattr("listings.admin.ListingAdmin.get_queryset", lambda *_: 1 / 0)
        admin_client.raise_request_exception = False
        response = admin_client.get(path)
        assert response.status_code == response.json()["status"] == 500
        for word in ("Traceback", "ZeroDivision", "inner secret", ".py", "listings"):
            assert word not in response.content.decode()

    def test_the_log_of_a_500_has_the_traceback_but_no_token_and_no_query(self, as_bob, broken, logged):
        as_bob.raise_request_exception = False
        token = as_bob._credentials["HTTP_AUTHORIZATION"].split()[1]
        as_bob.get("/api/v1/listings/?q=private-words")
        assert "ZeroDivisionError" in logged()
        assert token not in logged() and token[:15] not in logged() and "private-words" not in logged()

    def test_logins_log_neither_password_nor_token(self, anyone, bob, logged):
        for password in (PASSWORD, "a wrong guess"):
            reply = anyone.post("/api/v1/login/", {"username": "bob", "password": password})
            Client().post("/admin/login/", {"username": "bob", "password": password})
            assert password not in logged()
            assert reply.json().get("token", "no token") not in logged()

    def test_a_refused_credential_is_not_logged(self, db, logged, now):
        key, secret = ServiceKey.issue(name="shop", scopes=["feed"])
        key.revoked_at = now
        key.save()
        for credential in (f"Api-Key {secret}", f"Token {secret}", f"Bearer {secret}"):
            Client().get("/api/v1/listings/", headers={"authorization": credential})
        assert secret not in logged()

    def test_an_integrity_error_is_answered_and_logged_without_its_values(self, as_alice, alice, logged, db):
        listing = factories.listing(alice, "private words")
        with pytest.raises(IntegrityError) as clash, transaction.atomic():
            Listing.objects.filter(pk=listing.pk).update(category_id=None)
        assert "private words" in str(clash.value)  # PostgreSQL quotes the whole row
        response = problem(clash.value, {})
        assert response.status_code == 409
        assert "private words" not in str(response.data) + logged()
        assert "NotNullViolation 23502 listings_listing" in logged()

    def test_the_log_of_the_embedded_postgresql_holds_no_values(self, alice):
        log = servers._servers.postgres.log
        size = log.stat().st_size
        listing = factories.listing(alice, "private words")
        with pytest.raises(IntegrityError), transaction.atomic():
            Listing.objects.filter(pk=listing.pk).update(title="private words too", category_id=None)
        logged_bytes = log.read_bytes()[size:]
        assert b"violates not-null constraint" in logged_bytes and b"private words" not in logged_bytes

    def test_a_data_error_is_logged_without_its_values(self, db, logged):
        with pytest.raises(DataError) as refused, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT %s::integer", ["private words"])
        assert problem(refused.value, {}).status_code == 400
        assert "private words" in str(refused.value) and "private words" not in logged()
        assert describe_database_error(RecursionError("x")) == "RecursionError"

    def test_request_bodies_and_file_names_are_not_logged(self, as_alice, alice, logged):
        content = {"title": "private words", "price": "5", "category": factories.category().path}
        made = as_alice.post("/api/v1/listings/", content)
        assert made.status_code == 201
        upload = SimpleUploadedFile("private-name.jpg", factories.picture())
        as_alice.post(f"/api/v1/listings/{made.json()['id']}/photos/", {"photo": upload}, format="multipart")
        as_alice.post("/api/v1/listings/", {"title": "private words", "price": "free"})
        as_alice.post("/api/v1/listings/", "{private words", content_type="application/json")
        assert "private" not in logged()

    def test_debug_records_are_seen_by_the_logged_fixture(self, logged):
        logging.getLogger("marketplace").debug("seen %s", timezone.now().year)
        assert "seen 20" in logged()
