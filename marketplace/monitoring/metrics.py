"""Prometheus metrics: counters of all processes of this installation, and the current health checks.

Counters come from files that every process writes (see recommendations/core/process_metrics.py). Health
checks run on each request; those of the replica describe the process that answers.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from celery.signals import before_task_publish, task_failure, task_postrun, task_prerun, task_success
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from marketplace.monitoring import checks, queues
from marketplace.monitoring.results import OK, CheckResult
from recommendations.core import process_metrics
from recommendations.core.process_metrics import NAMESPACE
from recommendations.popularity import trending

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
TASK_SECONDS = (0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 600)
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})  # others are counted as "other"
ADMIN = "/admin/"
NOWHERE = "none"  # the route of unknown addresses
EMBED_TASK = "recommendations.tasks.embed_pending"

REQUESTS = process_metrics.counter(
    "http_requests", "Requests that were answered.", ["route", "method", "status"]
)
LATENCY = process_metrics.histogram(
    "http_request_seconds", "How long an answer took.", ["route", "method"], SECONDS
)
TASKS = process_metrics.counter(
    "tasks", "Background tasks that ended, as `done` or `failed`.", ["task", "outcome"]
)
TASK_LATENCY = process_metrics.histogram(
    "task_seconds", "How long a background task took.", ["task"], TASK_SECONDS
)
EMBEDDED = process_metrics.counter("listings_embedded", "Listings that workers tried to embed.", ["outcome"])


class MeasuringMiddleware:
    """Counts every request by the URL pattern, which has no personal data, not by the URL."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        count_request(request, response.status_code, time.perf_counter() - started)
        return response


def route_of(pattern: str) -> str:
    """The route label of a URL pattern. All pages of the admin share one."""
    route = f"/{pattern.removeprefix('^').removesuffix('$')}"
    return ADMIN if route.startswith(ADMIN) else route


def count_request(request: HttpRequest, status: int, seconds: float) -> None:
    if not process_metrics.metric_files.are_ready():
        return
    route = route_of(request.resolver_match.route) if request.resolver_match else NOWHERE
    method = request.method or ""
    if method not in METHODS or status == HTTPStatus.METHOD_NOT_ALLOWED:
        method = "other"
    REQUESTS.labels(route, method, str(status)).inc()
    LATENCY.labels(route, method).observe(seconds)


def exposition() -> bytes:
    """All metrics in Prometheus's text format."""
    registry = CollectorRegistry()
    process_metrics.collect_into(registry)
    registry.register(HealthCollector())
    return generate_latest(registry)


class HealthCollector(Collector):
    """The health checks as gauges: each value, and whether it is within its limit."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        families: dict[str, GaugeMetricFamily] = {}
        for line in checks.cached_checks():
            names = [*line.labels]
            for name, value, documentation in _gauges(line):
                if name not in families:
                    families[name] = GaugeMetricFamily(f"{NAMESPACE}_{name}", documentation, labels=names)
                families[name].add_metric(list(line.labels.values()), value)
        yield from families.values()


def _gauges(line: CheckResult) -> Iterator[tuple[str, float, str]]:
    if line.value is not None:
        yield f"{line.name}_{line.unit}", line.value, line.meaning
    yield f"{line.name}_ok", float(line.status == OK), f"Whether {line.name} is within its limit."


# Signal receivers, in processes that send or run tasks.


def stamp_message(headers: dict[str, Any] | None = None, **_: object) -> None:
    """Add the time of sending to a message, for the age of the oldest message of a queue."""
    if headers is not None:
        headers[queues.SENT_AT] = timezone.now().isoformat()


def note_start(task: Any = None, **_: object) -> None:
    task.request.began_at = time.perf_counter()


def note_end(task: Any = None, **_: object) -> None:
    started = getattr(task.request, "began_at", None)
    if started is not None and process_metrics.metric_files.are_ready():
        TASK_LATENCY.labels(task.name).observe(time.perf_counter() - started)


def note_done(sender: Any = None, result: Any = None, **_: object) -> None:
    with suppress(RedisError):
        queues.record_success(trending.client(), sender.name, timezone.now())
    if not process_metrics.metric_files.are_ready():
        return
    TASKS.labels(sender.name, "done").inc()
    if sender.name == EMBED_TASK and isinstance(result, dict):
        for outcome, count in result.items():
            EMBEDDED.labels(outcome).inc(count)


def note_failure(sender: Any = None, **_: object) -> None:
    if process_metrics.metric_files.are_ready():
        TASKS.labels(sender.name, "failed").inc()


def follow_tasks() -> None:
    """Connect the receivers. Safe to call again."""
    for signal, receiver in (
        (before_task_publish, stamp_message),
        (task_prerun, note_start),
        (task_postrun, note_end),
        (task_success, note_done),
        (task_failure, note_failure),
    ):
        signal.connect(receiver, dispatch_uid=f"metrics.{receiver.__name__}")
