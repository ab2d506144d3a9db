"""Metrics of all processes, summed by the one that answers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from celery.contrib.testing.worker import start_worker
from django.conf import settings
from django.test import RequestFactory
from prometheus_client.parser import text_string_to_metric_families

from marketplace.celery import app
from marketplace.monitoring import checks, metrics
from recommendations import tasks
from recommendations.core import process_metrics
from recommendations.encoders import tasks as encoders_tasks
from recommendations.indexing import tasks as indexing_tasks
from tests import factories
from tests.marketplace.monitoring.test_logs import eventually
from tests.marketplace.web.test_access import patterns

ROOT = Path(__file__).resolve().parents[3]
STATUSES = 12  # different statuses of one route
COUNT = (
    "from recommendations.core import process_metrics as measured; "
    "measured.observe_candidates({'elsewhere': 7})"
)


pytestmark = pytest.mark.django_db


def value(name: str, **labels: str) -> float:
    """Value of one sample of the exposition; 0 when missing."""
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            if sample.name == f"marketplace_{name}" and sample.labels == labels:
                return sample.value
    return 0.0


class TestRequests:
    def test_requests_are_counted_by_route_method_and_status(self, db, client):
        route = "/api/v1/listings/<str:listing_id>/"
        before = value("http_requests_total", route=route, method="GET", status="404")
        timed = value("http_request_seconds_count", route=route, method="GET")
        for name in ("one", "two"):
            client.get(f"/api/v1/listings/{name}/")
        assert value("http_requests_total", route=route, method="GET", status="404") == before + 2
        assert value("http_request_seconds_count", route=route, method="GET") == timed + 2

    def test_requests_to_unknown_urls_are_counted_under_one_route(self, client):
        before = value("http_requests_total", route="none", method="GET", status="404")
        for number in range(3):
            client.get(f"/wp-login-{number}.php")
        assert value("http_requests_total", route="none", method="GET", status="404") == before + 3
        assert "wp-login" not in metrics.exposition().decode()

    def test_an_unknown_http_method_makes_no_label_of_its_own(self):
        request = RequestFactory().generic("BREW", "/livez")
        request.resolver_match = None
        metrics.count_request(request, 405, 0.1)
        assert "BREW" not in metrics.exposition().decode()

    def test_series_of_all_routes_and_methods_fit_into_the_metric_files(self):
        """Files have their final size, because growing on a full disk would kill the process."""
        routes = {metrics.route_of(address.removeprefix("/")) for address in patterns()} | {metrics.NOWHERE}
        methods = len(metrics.METHODS) + 1
        longest = max(map(len, routes)) + 120  # plus name, method, bucket or status, and two numbers
        series = len(routes) * methods * longest
        assert series * (len(metrics.SECONDS) + 2) < process_metrics.SIZES["histogram"]
        assert series * STATUSES < process_metrics.SIZES["counter"]


class TestCandidates:
    def test_each_candidate_source_has_its_sum_and_count(self):
        count = value("candidates_count", source="fresh")
        proposed = value("candidates_sum", source="fresh")
        process_metrics.observe_candidates({"fresh": 40, "nearby": 0})
        process_metrics.observe_candidates({"fresh": 2})
        assert value("candidates_count", source="fresh") == count + 2
        assert value("candidates_sum", source="fresh") == proposed + 42
        assert value("candidates_count", source="nearby") > 0


class TestTasks:
    def test_tasks_that_succeed_and_fail_are_counted(self, transactional_db):
        done = {"task": tasks.roll_up_exposure.name, "outcome": "done"}
        failed = {"task": encoders_tasks.encode_query.name, "outcome": "failed"}
        before = value("tasks_total", **done), value("tasks_total", **failed)
        with start_worker(app, queues=["events", "encode"], perform_ping_check=False, shutdown_timeout=60):
            tasks.roll_up_exposure.apply_async()
            app.send_task(encoders_tasks.encode_query.name, kwargs={"nonsense": 1})
            eventually(lambda: value("tasks_total", **failed) > before[1])
            eventually(lambda: value("tasks_total", **done) > before[0])
        assert value("tasks_total", **done) == before[0] + 1
        assert value("task_seconds_count", task=tasks.roll_up_exposure.name) > 0
        checks.forget()
        assert value("task_ran_ok", task="roll_up_exposure") == 1

    def test_embedded_listings_are_counted(self):
        before = value("listings_embedded_total", outcome="embedded")
        metrics.note_done(sender=indexing_tasks.embed_pending, result={"embedded": 32, "failed": 1})
        assert value("listings_embedded_total", outcome="embedded") == before + 32


class TestCondition:
    def test_health_checks_are_exported_as_gauges(self, follow, alice):
        factories.listing(alice)
        assert value("embedding_waiting_jobs") == 1
        assert value("replica_behind_changes") == 1
        assert value("replica_lag_ok") == 1
        assert value("queue_length_messages", queue="events") == 0
        assert value("disk_used_share") > 0

    def test_without_redis_the_counters_are_still_exported(self, db, settings):
        settings.REDIS_URL = "redis://127.0.0.1:1"
        process_metrics.observe_candidates({"fresh": 1})
        assert value("redis_answer_ok") == 0
        assert value("candidates_count", source="fresh") > 0


class TestProcesses:
    def test_counts_of_another_process_are_added_and_outlive_it(self):
        before = value("candidates_sum", source="elsewhere")
        process_metrics.observe_candidates({"elsewhere": 5})
        run(COUNT)
        assert value("candidates_sum", source="elsewhere") == before + 12

    def test_a_forked_process_counts_in_files_of_its_own(self):
        process_metrics.observe_candidates({"forked": 1})
        fork = f"import os; {COUNT}; pid = os.fork(); {COUNT}; pid and os.waitpid(pid, 0)"
        before = value("candidates_sum", source="elsewhere")
        run(fork)
        assert value("candidates_sum", source="elsewhere") == before + 21

    def test_metric_files_of_ended_processes_are_deleted_once_their_parent_ended(self):
        gone = run("import os; print(os.getpid())").strip()
        orphan = settings.METRICS_ROOT / f"counter_{process_metrics.HOST}-{gone}-{gone}.db"
        sibling = settings.METRICS_ROOT / f"counter_{process_metrics.HOST}-{os.getpid()}-{gone}.db"
        foreign = settings.METRICS_ROOT / f"counter_another-host-{gone}-{gone}.db"
        for file in (orphan, sibling, foreign):
            process_metrics._allocate(file, 1024)
        process_metrics.delete_orphans()
        assert [file.exists() for file in (orphan, sibling, foreign)] == [False, True, True]
        os.utime(foreign, (0, 0))
        process_metrics.delete_orphans()
        assert not foreign.exists()
        sibling.unlink()

    def test_metrics_are_off_without_an_error_where_their_files_cannot_be_created(self, settings, tmp_path):
        (tmp_path / "file").touch()
        settings.METRICS_ROOT = tmp_path / "file" / "metrics"  # cannot be created, even by root
        files = process_metrics.MetricFiles()
        assert not files.are_ready()
        settings.METRICS_ROOT = tmp_path / "metrics"
        assert not files.are_ready()  # no retry at each request
        assert process_metrics.MetricFiles().are_ready()


def run(program: str) -> str:
    """Output of another process with the settings of this one."""
    setup = "import django; django.setup(); "
    return subprocess.run(
        [sys.executable, "-c", setup + program],
        cwd=ROOT,
        env=os.environ | {"VAR": str(settings.VAR)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
