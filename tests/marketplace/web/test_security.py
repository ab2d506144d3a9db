"""Responses and logs hold no private data."""

import logging

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DataError, IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from listings import queries
from listings.models import Listing
from marketplace.models import ServiceKey
from marketplace.web.errors import describe_database_error, problem
from tests import factories, servers
from tests.factories import PASSWORD


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
        monkeypatch.setattr("listings.admin.catalogue.ListingAdmin.get_queryset", lambda *_: 1 / 0)
        admin_client.raise_request_exception = False
        response = admin_client.get(path)
        assert response.status_code == response.json()["status"] == 500
        for word in ("Traceback", "ZeroDivision", "inner secret", ".py", "listings"):
            assert word not in response.content.decode()

    def test_the_log_of_a_500_has_the_traceback_but_no_token_and_no_query(self, as_bob, broken, logged):
        as_bob.raise_request_exception = False
        token = as_bob._credentials["HTTP_AUTHORIZATION"].split()[1]
        as_bob.get("/api/v1/listings/?seller=private-words")
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
