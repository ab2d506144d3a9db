"""Health checks during failures, their permissions, and readiness."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from marketplace.celery import app
from marketplace.models import ServiceKey
from marketplace.monitoring import checks, views
from marketplace.monitoring import queues as monitoring_queues
from marketplace.monitoring.check import (
    DEGRADED,
    OK,
    OVER,
    READY,
    UNKNOWN,
    UNREADY,
    CheckResult,
    readiness_of,
)
from marketplace.monitoring.checks import ReplicaLagTimer
from recommendations import tasks
from recommendations.encoders import selection
from recommendations.indexing import compaction
from recommendations.models.catalogue_changes import CatalogueChange
from recommendations.models.embeddings import EmbeddingJob
from recommendations.models.trained_models import TrainedModel
from recommendations.popularity import trending
from recommendations.replica import change_log
from tests import factories
from tests.conftest import service_client


@pytest.fixture(autouse=True)
def looks_each_time():
    checks.forget()
    yield
    checks.forget()


def results(now=None) -> dict[str, CheckResult]:
    """Lines by name and label."""
    looked = checks.run_checks(now or timezone.now())
    return {"/".join([line.name, *line.labels.values()]): line for line in looked}


class TestVerdict:
    def line(self, **fields) -> CheckResult:
        return CheckResult("name", "seconds", "", **fields)

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ({"value": 5, "limit": 5}, OK),
            ({"value": 5.1, "limit": 5}, OVER),
            ({"value": 5}, OK),
            ({"limit": 5}, UNKNOWN),
            ({"value": 0, "limit": 5, "problem": "broken"}, OVER),
        ],
    )
    def test_a_check_is_over_only_beyond_its_limit(self, fields, status):
        assert self.line(**fields).status == status

    def test_only_a_vital_check_makes_a_process_unready(self):
        fine, slow = self.line(value=1, limit=2), self.line(value=3, limit=2)
        dead = self.line(value=3, limit=2, is_vital=True)
        assert readiness_of([fine, self.line()]) == READY
        assert readiness_of([fine, slow]) == DEGRADED
        assert readiness_of([fine, slow, dead]) == UNREADY


class TestReplica:
    def test_a_process_is_unready_before_anything_was_embedded(self, db, client):
        assert results()["replica_lag"].status == OVER
        assert "manage.py embed" in results()["replica_lag"].problem
        assert client.get("/readyz").status_code == 503

    def test_changes_that_the_replica_lacks_are_counted(self, follow, alice):
        assert results()["replica_behind"].value == 0
        factories.listing(alice)
        assert results()["replica_behind"].value == 1
        assert results()["replica_lag"].status == OK  # a moment ago
        follow()
        assert results()["replica_behind"].value == 0

    def test_replica_lag_is_over_its_limit_a_minute_after_the_process_stopped_following(self):
        following = ReplicaLagTimer()
        assert following.lag_s(reached=7, latest=7, clock_s=0) == 0
        assert following.lag_s(reached=7, latest=9, clock_s=10) == 0
        assert following.lag_s(reached=7, latest=12, clock_s=71) == 61 > checks.MAXIMUM_REPLICA_LAG_S

    def test_a_process_that_follows_a_busy_catalogue_has_no_replica_lag(self):
        following = ReplicaLagTimer()
        lags = [following.lag_s(reached=10 * t, latest=10 * t + 5, clock_s=t) for t in range(0, 200, 5)]
        assert set(lags) == {0}

    def test_replica_lag_ends_when_the_process_catches_up(self):
        following = ReplicaLagTimer()
        following.lag_s(reached=1, latest=5, clock_s=0)
        assert following.lag_s(reached=4, latest=9, clock_s=90) == 90
        assert following.lag_s(reached=6, latest=9, clock_s=91) == 0


class TestEmbedding:
    def test_a_listing_that_waits_too_long_for_embedding_is_over_the_limit(self, follow, alice, now):
        factories.listing(alice)
        assert (results()["embedding_waiting"].value, results()["embedding_oldest"].status) == (1, OK)
        later = results(timezone.now() + timedelta(seconds=61))
        assert later["embedding_oldest"].status == OVER
        assert readiness_of([later["embedding_oldest"], later["embedding_waiting"]]) == DEGRADED

    def test_a_listing_whose_embedding_failed_is_counted_apart_from_those_waiting(self, follow, alice, now):
        factories.listing(alice)
        EmbeddingJob.objects.update(failed_at=now, created_at=now - timedelta(days=1))
        look = results()
        assert (look["embedding_failed"].value, look["embedding_failed"].status) == (1, OVER)
        assert (look["embedding_waiting"].value, look["embedding_oldest"].value) == (0, 0)


class TestModelsAndIndex:
    def test_a_model_that_was_not_trained_for_days_is_over_the_limit(self, follow, now):
        row = TrainedModel.objects.create(
            kind=TrainedModel.Kind.COLLABORATIVE, version="a", status=TrainedModel.Status.ACTIVE
        )
        assert results()["model_tried/collaborative"].status == OK
        TrainedModel.objects.filter(pk=row.pk).update(created_at=now - timedelta(days=3))
        look = results()
        assert look["model_tried/collaborative"].status == OVER
        assert look["model_age/collaborative"].value == pytest.approx(3 * 86400, abs=60)
        TrainedModel.objects.create(kind=row.kind, version="b", status=TrainedModel.Status.REJECTED)
        assert results()["model_tried/collaborative"].status == OK  # a training was refused

    def test_a_damaged_model_is_reported_with_its_problem(self, follow):
        selection.active_encoder().__class__.objects.update(problem="Cannot be loaded: gone.")
        assert results()["model_damaged/encoder"].problem == "Cannot be loaded: gone."

    def test_a_change_log_far_beyond_the_index_is_over_the_limit(self, follow, alice):
        factories.listing(alice)
        follow()
        compaction.compact(least_changes=0)
        assert results()["index_behind"].status == OK
        far = change_log.last_seq() + checks.MAXIMUM_CHANGES_BEYOND_INDEX + 1
        CatalogueChange.objects.create(seq=far, listing_id=1, op=CatalogueChange.Op.REMOVE)
        assert results()["index_behind"].status == OVER


class TestQueues:
    def test_a_message_that_nobody_takes_is_over_the_limit(self, follow):
        tasks.roll_up_trending.apply_async()
        tasks.roll_up_trending.apply_async()
        look = results()
        assert (look["queue_length/events"].value, look["queue_oldest/events"].status) == (2, OK)
        assert look["queue_length/embeddings"].value == 0
        later = results(timezone.now() + timedelta(minutes=6))
        assert later["queue_oldest/events"].status == OVER
        assert "worker-events" in later["queue_oldest/events"].advice

    def test_every_queue_of_the_workers_is_checked(self, follow):
        queues = {name.partition("/")[2] for name in results() if name.startswith("queue_length")}
        assert queues == {"events", "embeddings", "encode", "training"}

    def test_a_foreign_message_in_a_queue_makes_its_age_unknown(self, follow):
        trending.client().lpush("events", b"not json")
        assert results()["queue_oldest/events"].status == UNKNOWN

    def test_a_periodic_task_that_stopped_is_over_the_limit(self, follow, now):
        assert (
            results(now)["task_ran/roll_up_trending"].status == OVER
        )  # no record, because Redis was emptied
        monitoring_queues.record_success(trending.client(), tasks.roll_up_trending.name, now)
        assert results(now)["task_ran/roll_up_trending"].status == OK
        assert results(now + timedelta(minutes=6))["task_ran/roll_up_trending"].status == OVER

    def test_a_periodic_task_that_ran_by_a_clock_ahead_is_over_the_limit(self, follow, now):
        monitoring_queues.record_success(
            trending.client(), tasks.roll_up_trending.name, now + timedelta(days=1)
        )
        assert results(now)["task_ran/roll_up_trending"].status == OVER

    def test_every_frequent_task_of_beat_is_checked(self, follow):
        often = {
            entry["task"].rpartition(".")[2]
            for entry in app.conf.beat_schedule.values()
            if isinstance(entry["schedule"], float)
        }
        assert {name.partition("/")[2] for name in results() if name.startswith("task_ran")} == often


@contextmanager
def no_database():
    """This process cannot reach PostgreSQL for a while."""
    database, patch = connections["default"], pytest.MonkeyPatch()
    patch.setitem(database.settings_dict, "HOST", "/nowhere")
    database.close()
    try:
        yield
    finally:
        patch.undo()
        database.close()


class TestBrokenServers:
    def test_without_redis_a_process_is_degraded_and_ready(self, follow, settings, as_staff):
        settings.REDIS_URL = "redis://127.0.0.1:1"
        look = results()
        assert look["redis_answer"].status == OVER
        assert not any(name.startswith(("queue", "task")) for name in look)
        reply = as_staff.get("/readyz")
        assert (reply.status_code, reply.json()["status"]) == (200, DEGRADED)

    def test_without_a_database_a_process_is_unready_and_still_answers(self, transactional_db, client):
        with no_database():
            reply = client.get("/readyz", headers={"Authorization": "Api-Key x"})
            look = results()
        assert (reply.status_code, reply.json()) == (503, {"status": UNREADY})
        assert look["database_answer"].status == OVER
        assert "redis_answer" in look

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

    def test_a_check_does_not_wait_for_a_slow_database(self, transactional_db, follow, monkeypatch):
        monkeypatch.setattr(checks, "DATABASE_TIMEOUT_S", 0.2)
        other = connections.create_connection("default")
        try:
            with other.cursor() as cursor:
                cursor.execute("BEGIN; LOCK TABLE recommendations_embeddingjob IN ACCESS EXCLUSIVE MODE")
                stuck = results()["embedding"]
                cursor.execute("ROLLBACK")
        finally:
            other.close()
        assert stuck.status == OVER
        assert "timeout" in stuck.problem


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
