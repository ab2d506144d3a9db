"""Login and logout for tokens."""

import pytest
from django.test import Client

from tests.conftest import client_of
from tests.factories import PASSWORD
from tests.marketplace.web.requests import INTERACTIONS, LOGIN, LOGOUT, view
from tests.problems import is_problem


class TestLogout:
    def test_a_token_is_refused_after_logout(self, as_bob, sofa):
        assert as_bob.post(LOGOUT).status_code == 204
        assert is_problem(as_bob.post(INTERACTIONS, view(sofa)), 401)

    def test_a_logout_ends_one_token_only(self, bob, as_bob):
        other = client_of(bob)
        as_bob.post(LOGOUT)
        assert other.get("/api/v1/listings/").status_code == 200

    def test_a_session_is_refused_after_logout(self, bob, client, sofa):
        client.force_login(bob.user)
        before = client.cookies["sessionid"].value
        assert client.post(LOGOUT).status_code == 204
        thief = Client()
        thief.cookies["sessionid"] = before
        for browser in (client, thief):
            assert is_problem(browser.post("/api/v1/listings/", {}, "application/json"), 401)
            assert browser.get("/admin/").status_code == 302

    def test_a_logout_with_a_token_keeps_the_session_of_the_same_browser(self, bob, as_bob):
        as_bob.force_login(bob.user)
        assert as_bob.post(LOGOUT).status_code == 204
        as_bob.credentials()
        assert as_bob.post("/api/v1/listings/", {}).status_code == 400

    def test_a_session_does_not_end_without_its_csrf_token(self, bob):
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(bob.user)
        assert is_problem(browser.post(LOGOUT), 403)

    def test_a_logout_without_a_credential_of_a_person_is_refused(self, anyone, as_service):
        assert is_problem(anyone.post(LOGOUT), 401)
        assert is_problem(as_service.post(LOGOUT), 403)


class TestLogin:
    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"username": "bob"},
            {"username": ["bob"], "password": {}},
            {"username": "a\0", "password": "x"},
        ],
        ids=ascii,
    )
    def test_a_malformed_login_is_refused(self, anyone, db, body):
        assert is_problem(anyone.post(LOGIN, body), 400)

    @pytest.mark.parametrize("scopes", [[], ["everything"], "feed", [1]], ids=str)
    def test_a_login_with_invalid_scopes_is_refused(self, anyone, bob, scopes):
        login = {"username": "bob", "password": PASSWORD, "scopes": scopes}
        assert is_problem(anyone.post(LOGIN, login), 400)
