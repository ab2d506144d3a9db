"""Health checks during failures, their permissions, and readiness."""

from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from marketplace.monitoring import checks
from marketplace.monitoring.checks import ReplicaLagTimer
from marketplace.monitoring.results import DEGRADED, OK, OVER, UNREADY, readiness_of
from recommendations.encoders import selection
from recommendations.indexing import compaction
from recommendations.models.catalogue_changes import CatalogueChange
from recommendations.models.embeddings import EmbeddingJob
from recommendations.models.trained_models import TrainedModel
from recommendations.replica import change_log
from tests import factories
from tests.marketplace.monitoring.results import no_database, results


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


class TestTheEncoder:
    def test_staff_are_told_which_encoder_serves_and_what_comes_next(self, follow, as_staff, client):
        told = as_staff.get("/readyz").json()["encoder"]
        assert told["serving"].startswith("In service: shufflenet_v2_x0_5")
        assert told["next"].startswith("One is trained by itself once 300 listings are embedded; 0 are.")
        assert "encoder" not in client.get("/readyz").json()


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


class TestClientAddresses:
    @pytest.fixture
    def with_proxies(self, settings):
        def set_proxies(**fields) -> None:
            settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=fields)

        return set_proxies

    def test_https_with_no_proxy_counted_is_over_its_limit_and_logged(self, db, with_proxies, caplog):
        with_proxies(https_only=True, proxy_count=0)
        line = results()["proxies"]
        assert line.status == OVER and not line.is_vital
        assert "limits of one address hold for the whole site" in line.problem
        checks.warn_at_start()
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "PROXY_COUNT" in caplog.text

    @pytest.mark.parametrize(
        "fields", [{"https_only": True, "proxy_count": 1}, {"https_only": False}], ids=str
    )
    def test_known_addresses_are_well_and_nothing_is_logged(self, db, with_proxies, caplog, fields):
        with_proxies(**fields)
        assert results()["proxies"].status == OK
        checks.warn_at_start()
        assert not caplog.records
