"""Who sees health checks and metrics."""

import pytest
from django.utils import timezone

from marketplace.models import ServiceKey
from marketplace.monitoring import checks, views
from marketplace.monitoring.results import OVER
from tests.conftest import service_client
from tests.marketplace.monitoring.results import no_database


class TestAccess:
    def test_anybody_sees_the_readiness_and_no_checks(self, follow, client, as_bob):
        for asking in (client, as_bob):
            assert asking.get("/readyz").json().keys() == {"status"}
            assert asking.get("/metrics").status_code == 403

    def test_staff_and_services_with_the_staff_scope_see_every_check(self, follow, as_staff):
        for asking in (as_staff, service_client("prometheus", ["staff"])):
            body = asking.get("/readyz").json()
            assert {"database_answer", "redis_answer", "replica_lag", "disk_used"} <= {
                line["name"] for line in body["lines"]
            }
            assert all({"value", "limit", "status", "advice"} <= line.keys() for line in body["lines"])
            assert asking.get("/metrics").status_code == 200

    @pytest.mark.parametrize("scopes", [["feed", "events", "catalogue"], []])
    def test_a_service_without_the_staff_scope_sees_no_checks(self, follow, scopes):
        service = service_client("shop", scopes)
        assert service.get("/readyz").json().keys() == {"status"}
        assert service.get("/metrics").status_code == 403

    @pytest.mark.parametrize("credential", ["Api-Key wrong", "Token wrong", "Basic YTpi", "Api-Key é"])
    def test_a_bad_credential_shows_no_checks_and_no_metrics(self, follow, client, credential):
        headers = {"Authorization": credential}
        assert client.get("/readyz", headers=headers).json().keys() == {"status"}
        assert client.get("/metrics", headers=headers).status_code == 403

    def test_a_local_address_alone_shows_no_metrics(self, follow, client):
        headers = {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"}
        assert client.get("/metrics", headers=headers, REMOTE_ADDR="127.0.0.1").status_code == 403

    @pytest.mark.parametrize("path", ["/readyz", "/metrics"])
    def test_readyz_and_metrics_are_read_only_and_not_cached(self, db, client, path):
        assert client.post(path).status_code == 405
        assert "no-store" in client.get(path)["Cache-Control"]


class TestWithoutADatabase:
    def test_without_a_database_an_operators_key_that_was_valid_before_shows_every_check(
        self, transactional_db, monkeypatch
    ):
        asking = {
            "operator": service_client("prometheus", ["staff"]),
            "shop": service_client("shop", ["feed", "events", "catalogue"]),
            "revoked": service_client("leaked", ["staff"]),
            "new": service_client("unseen", ["staff"]),
        }
        for name in ("operator", "shop", "revoked"):
            asking[name].get("/metrics")
        ServiceKey.objects.filter(name="leaked").update(revoked_at=timezone.now())
        assert asking["revoked"].get("/metrics").status_code == 403
        checks.forget()
        with no_database():
            replies = {name: caller.get("/readyz").json() for name, caller in asking.items()}
            lines_by_caller = {name: reply.get("lines", []) for name, reply in replies.items()}
            measured = {name: caller.get("/metrics").status_code for name, caller in asking.items()}
            assert asking["operator"].get("/api/v1/listings/").status_code == 503  # everywhere else
            monkeypatch.setattr(views, "TRUSTED_S", 0)
            assert asking["operator"].get("/metrics").status_code == 403
        assert {name for name, lines in lines_by_caller.items() if lines} == {"operator"}
        assert {"name": "database_answer", "status": OVER}.items() <= lines_by_caller["operator"][0].items()
        assert measured == {"operator": 200, "shop": 403, "revoked": 403, "new": 403}
