"""Tokens of persons: scopes, expiry, revocation, time of last use."""

import io

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from marketplace.models import PersonToken
from recommendations.models.events import Interaction
from tests.conftest import client_of
from tests.factories import PASSWORD
from tests.marketplace.web.requests import INTERACTIONS, LOGIN, outcomes, view
from tests.problems import is_problem


class TestTokens:
    def test_events_sent_with_a_token_are_that_persons(self, anyone, bob, sofa):
        token = anyone.post(LOGIN, {"username": "bob", "password": PASSWORD}).json()["token"]
        client = APIClient(HTTP_AUTHORIZATION=f"Token {token}")
        assert outcomes(client.post(INTERACTIONS, view(sofa))) == ["accepted"]
        assert Interaction.objects.get().actor == bob
        assert Interaction.objects.get().source == "actor:bob"

    def test_the_token_of_an_inactive_user_is_refused(self, bob, as_bob):
        bob.user.is_active = False
        bob.user.save()
        assert is_problem(as_bob.get("/api/v1/listings/"), 401)

    @pytest.mark.parametrize(
        "way", ["the admin's form", "their own form", "a command", "none that can be used"]
    )
    def test_a_new_password_ends_the_tokens_that_the_old_one_got(
        self, admin_client, bob, as_bob, charlie, monkeypatch, way
    ):
        others = client_of(charlie)
        new = "entirely another horse"
        passwords = {"new_password1": new, "new_password2": new}
        match way:
            case "the admin's form":
                form = {"password1": new, "password2": new, "usable_password": "true"}
                admin_client.post(f"/admin/auth/user/{bob.user.pk}/password/", form)
            case "their own form":
                User.objects.filter(pk=bob.user.pk).update(is_staff=True)
                admin_client.force_login(bob.user)
                admin_client.post("/admin/password_change/", passwords | {"old_password": PASSWORD})
            case "a command":
                monkeypatch.setattr("getpass.getpass", lambda **_: new)
                call_command("changepassword", "bob", stdout=io.StringIO())
            case _:
                admin_client.post(
                    f"/admin/auth/user/{bob.user.pk}/password/",
                    {"usable_password": "false", "unset-password": "yes"},
                )
        assert is_problem(as_bob.get("/api/v1/listings/"), 401)
        assert others.get("/api/v1/listings/").status_code == 200

    def test_a_changed_name_or_a_login_ends_no_token(self, bob, as_bob):
        bob.user.first_name = "Robert"
        bob.user.save()
        assert Client().login(username="bob", password=PASSWORD)

    def test_a_password_hash_that_django_upgrades_ends_no_token(self, bob, as_bob, settings):
        settings.PASSWORD_HASHERS = [
            "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
            *settings.PASSWORD_HASHERS,
        ]
        before = bob.user.password
        assert Client().login(username="bob", password=PASSWORD)
        bob.user.refresh_from_db()
        assert bob.user.password != before
        assert PersonToken.objects.filter(user=bob.user).exists()
        assert as_bob.get("/api/v1/listings/").status_code == 200

    @pytest.mark.parametrize(
        "header", ["Token x", "Token", "Token a b", "Token \xff", "Api-Key", "Api-Key x", "Api-Key \xff"]
    )
    def test_a_malformed_credential_is_refused_even_for_reading(self, db, header):
        assert is_problem(APIClient(HTTP_AUTHORIZATION=header).get("/api/v1/listings/"), 401)


class TestScopesOfTokens:
    def token(self, **options) -> APIClient:
        reply = APIClient().post(LOGIN, {"username": "bob", "password": PASSWORD} | options)
        assert reply.status_code == 200, reply.content
        return APIClient(HTTP_AUTHORIZATION=f"Token {reply.json()['token']}")

    def test_a_token_allows_its_scopes_and_no_more(self, bob, sofa):
        client = self.token(scopes=["events"])
        assert outcomes(client.post(INTERACTIONS, view(sofa))) == ["accepted"]
        assert is_problem(client.post("/api/v1/listings/", {}), 403)

    def test_the_feed_of_a_token_without_the_feed_scope_is_not_personalised(self, bob, monkeypatch):
        feed_actors = []
        monkeypatch.setattr(
            "recommendations.api.feed.build_feed", lambda actor, **_: feed_actors.append(actor)
        )
        for scopes in (["events"], ["feed"]):
            self.token(scopes=scopes).get("/api/v1/feed/")
        assert feed_actors == [None, bob]

    def test_a_token_with_a_scope_beyond_the_persons_rights_does_not_widen_them(self, bob, charlie):
        assert is_problem(self.token(scopes=["staff"]).get("/api/v1/feed/?actor=charlie"), 403)

    def test_a_staff_members_token_without_the_staff_scope_gives_no_staff_rights(self, bob, charlie):
        User.objects.filter(pk=bob.user_id).update(is_staff=True, is_superuser=True)
        modest, full = self.token(scopes=["feed", "catalogue"]), self.token()
        assert is_problem(modest.get("/api/v1/feed/?actor=charlie"), 403)
        assert full.get("/api/v1/feed/?actor=charlie").status_code == 200
        assert modest.get("/admin/").status_code == full.get("/admin/").status_code == 302  # only in sessions
