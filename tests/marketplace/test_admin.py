"""Service keys and tokens in the admin."""

from datetime import timedelta

from rest_framework.test import APIClient

from marketplace.models import PersonToken, ServiceKey
from tests.problems import is_problem


class TestServiceKeys:
    def test_the_admin_sets_the_expiry_of_a_service_key(self, admin_client, db):
        form = {"name": "shop", "scopes": ["feed"], "expires_at_0": "2030-01-01", "expires_at_1": "00:00"}
        admin_client.post("/admin/marketplace/servicekey/add/", form)
        assert ServiceKey.objects.get().expires_at.year in (2029, 2030)

    def test_the_admin_shows_a_new_service_key_once_and_revokes_it(self, admin_client):
        url = "/admin/marketplace/servicekey/"
        page = admin_client.post(f"{url}add/", {"name": "shop", "scopes": ["feed"]}, follow=True)
        secret = page.content.decode().split("shown only once: ")[1].split("<")[0]
        client = APIClient(HTTP_AUTHORIZATION=f"Api-Key {secret}")
        assert client.get("/api/v1/listings/").status_code == 200
        assert secret not in admin_client.get(url).content.decode()
        chosen = {"action": "revoke", "_selected_action": [ServiceKey.objects.get().pk]}
        admin_client.post(url, chosen)
        assert is_problem(client.get("/api/v1/listings/"), 401)

    def test_editing_a_service_key_in_the_admin_keeps_its_secret(self, admin_client, as_service):
        key = ServiceKey.objects.get()
        admin_client.post(
            f"/admin/marketplace/servicekey/{key.pk}/change/", {"name": "shop", "scopes": ["feed"]}
        )
        assert ServiceKey.objects.get().scopes == ["feed"]
        assert as_service.get("/api/v1/listings/").status_code == 200


class TestCredentials:
    def test_the_admin_shows_when_credentials_were_last_used(self, admin_client, as_service, as_bob):
        as_service.get("/api/v1/listings/")
        as_bob.get("/api/v1/listings/")
        for name in ("servicekey", "persontoken"):
            page = admin_client.get(f"/admin/marketplace/{name}/").content.decode()
            assert 'class="field-last_used_at nowrap">-<' not in page
            assert "field-last_used_at" in page

    def test_a_token_ends_after_90_days_or_when_staff_delete_it(self, admin_client, as_bob, now):
        token = PersonToken.objects.get()
        assert abs(token.expiry - now - timedelta(days=90)) < timedelta(minutes=1)
        admin_client.post(f"/admin/marketplace/persontoken/{token.pk}/delete/", {"post": "yes"})
        assert is_problem(as_bob.get("/api/v1/listings/"), 401)
