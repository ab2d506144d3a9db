"""Credentials: how they are stored, and when they were last used."""

from datetime import timedelta

import pytest
from django.utils import timezone

from marketplace.models import PersonToken, ServiceKey
from tests.problems import is_problem


class TestServiceKeys:
    def test_a_service_key_is_stored_as_a_digest_only(self, db):
        key, secret = ServiceKey.issue(name="shop", scopes=["feed"])
        assert secret not in str(ServiceKey.objects.values().get(pk=key.pk))


class TestWhenACredentialWasUsed:
    @pytest.mark.parametrize("model", [ServiceKey, PersonToken])
    def test_the_time_of_a_credentials_last_use_is_written_once_a_minute(
        self, as_service, as_bob, model, now
    ):
        client = as_service if model is ServiceKey else as_bob
        assert model.objects.get().last_used_at is None
        client.get("/api/v1/listings/")
        first = model.objects.get().last_used_at
        assert now <= first <= timezone.now()
        client.get("/api/v1/listings/")
        assert model.objects.get().last_used_at == first
        model.objects.update(last_used_at=now - timedelta(minutes=1))
        client.get("/api/v1/listings/")
        assert model.objects.get().last_used_at >= first

    def test_two_processes_write_the_time_of_last_use_once(self, as_service, now):
        stale = ServiceKey.objects.get()
        ServiceKey.objects.update(last_used_at=now)
        stale.note_use(now + timedelta(seconds=1))
        assert ServiceKey.objects.get().last_used_at == now

    def test_a_refused_key_has_no_time_of_last_use(self, as_service, now):
        ServiceKey.objects.update(revoked_at=now)
        as_service.get("/api/v1/listings/")
        assert ServiceKey.objects.get().last_used_at is None

    def test_an_expired_token_is_refused(self, as_bob, now):
        PersonToken.objects.update(expiry=now - timedelta(seconds=1))
        assert is_problem(as_bob.get("/api/v1/listings/"), 401)
