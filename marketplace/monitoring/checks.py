"""Health checks of the installation, for `/readyz` and `/metrics`."""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import Error, connection, transaction
from django.db.models import Count, Max, Min, Q
from django.utils import timezone

from marketplace.monitoring import queues
from marketplace.monitoring.results import OK, CheckResult, first_line
from recommendations.core.ttl_cache import TtlCache
from recommendations.encoders import training_state
from recommendations.models.catalogue_changes import CatalogueChange
from recommendations.models.embeddings import EmbeddingJob
from recommendations.models.trained_models import TrainedModel
from recommendations.replica import change_log, embedding_lag, follower, generations

DATABASE_TIMEOUT_S = 2.0
MAXIMUM_REPLICA_LAG_S = 60.0
MAXIMUM_CHANGES_BEYOND_INDEX = 100_000
MAXIMUM_TRAINING_AGE_S = 2 * 24 * 3600.0  # beat trains every night
MAXIMUM_DISK_SHARE = 0.95
LOOK_EVERY = timedelta(seconds=1)  # results are cached for this long

logger = logging.getLogger(__name__)


def run_checks(now: datetime) -> list[CheckResult]:
    """Run all checks, each with a short timeout. A check that times out is over its limit or unknown."""
    lines = [_database()]
    if lines[0].status == OK:
        for group in (_replica, _index, _models, _embedding):
            lines += _checked(group, now)
    return [*lines, *queues.queue_checks(now), _disk(), client_addresses()]


_seen = TtlCache(run_checks, ttl=LOOK_EVERY)


def cached_checks() -> list[CheckResult]:
    """The result of `look`, at most LOOK_EVERY old."""
    return _seen.at(timezone.now())


def encoder_state() -> dict[str, Any] | None:
    """Which encoder serves and what comes next; None while the database does not answer."""
    try:
        with _short_transaction():
            return training_state.read_state().to_json()
    except Error:
        connection.close()
        return None


def forget() -> None:
    """Drop the cached result, for tests."""
    _seen.forget()
    _following.forget()


@contextmanager
def _short_transaction() -> Iterator[None]:
    """A transaction whose statements time out after DATABASE_TIMEOUT_S."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {DATABASE_TIMEOUT_S * 1000:.0f}")
        yield


def _database() -> CheckResult:
    started, problem = time.perf_counter(), ""
    try:
        with _short_transaction(), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        connection.close()
        problem = first_line(error)
    return CheckResult(
        "database_answer",
        "seconds",
        "How long PostgreSQL took to answer.",
        None if problem else time.perf_counter() - started,
        DATABASE_TIMEOUT_S,
        "Start PostgreSQL or correct DATABASE_URL; check its log, its connections and its disk.",
        problem,
        is_vital=True,
    )


def _checked(group: Callable[[datetime], Iterable[CheckResult]], now: datetime) -> list[CheckResult]:
    """The lines of a group of checks. A database error becomes a line with a problem."""
    try:
        with _short_transaction():
            return list(group(now))
    except Error as error:
        connection.close()
        name = group.__name__.strip("_")
        return [CheckResult(name, "lines", "Checks that read the database.", problem=first_line(error))]


class ReplicaLagTimer:
    """Measures how long this process has lacked a change, across successive calls."""

    def __init__(self) -> None:
        # Number of a missing change, and the time at which it was first missing.
        self._awaited: tuple[int, float] | None = None
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Reset, for tests."""
        self._awaited = None

    def lag_s(self, *, reached: int, latest: int, clock_s: float) -> float:
        """Seconds since the first call that missed a change which is still missing; 0 when none is."""
        with self._lock:
            if self._awaited is None or reached >= self._awaited[0]:
                self._awaited = (latest, clock_s) if reached < latest else None
            return clock_s - self._awaited[1] if self._awaited else 0.0


_following = ReplicaLagTimer()


def _replica(now: datetime) -> Iterator[CheckResult]:
    line = partial(
        CheckResult,
        "replica_lag",
        "seconds",
        "How long this process lacks a change of the catalogue.",
        limit=MAXIMUM_REPLICA_LAG_S,
        advice="Check this process's log, and restart it; after a bulk load it catches up by itself. "
        "When nothing was embedded yet, run `manage.py embed`.",
        is_vital=True,
    )
    try:
        reached = follower.snapshot().seq
    except follower.ReplicaNotReady as error:
        yield line(problem=error.detail)
        return
    latest = change_log.last_seq()
    lag_s = _following.lag_s(reached=reached, latest=latest, clock_s=time.monotonic())
    yield line(value=lag_s)
    lacking = CatalogueChange.objects.filter(seq__gt=reached)[:MAXIMUM_CHANGES_BEYOND_INDEX].count()
    yield CheckResult("replica_behind", "changes", "Changes that this process lacks.", lacking)


def _index(now: datetime) -> Iterator[CheckResult]:
    try:
        view = follower.snapshot()
    except follower.ReplicaNotReady:
        return
    yield CheckResult(
        "index_generation", "number", "The generation of the index that serves.", view.generation
    )
    seq = generations.newest_seq(view.encoder_version)
    if seq is not None:
        yield CheckResult(
            "index_behind",
            "changes",
            "Changes since the newest index generation, which each process reads as it starts.",
            max(change_log.last_seq() - seq, 0),
            MAXIMUM_CHANGES_BEYOND_INDEX,
            "Check that worker-training and beat run, and the disk under VAR; run `manage.py rebuild_index`.",
        )


def _models(now: datetime) -> Iterator[CheckResult]:
    last_trained = dict(TrainedModel.objects.order_by().values_list("kind").annotate(Max("created_at")))
    for row in TrainedModel.objects.filter(status=TrainedModel.Status.ACTIVE).order_by("kind"):
        kind = {"kind": row.kind}
        age_s = (now - row.created_at).total_seconds()
        yield CheckResult("model_age", "seconds", "How old the model is that serves.", age_s, labels=kind)
        trains_nightly = row.kind == TrainedModel.Kind.COLLABORATIVE
        yield CheckResult(
            "model_tried",
            "seconds",
            "How long ago one was last trained, published or refused.",
            (now - last_trained[row.kind]).total_seconds(),
            MAXIMUM_TRAINING_AGE_S if trains_nightly else None,
            f"Check the log of worker-training and that beat runs; run `manage.py train {row.kind}`.",
            labels=kind,
        )
        yield CheckResult(
            "model_damaged",
            "files",
            "Whether its files cannot be loaded.",
            float(bool(row.problem)),
            0,
            f"Run `manage.py train {row.kind}`; the previous model serves meanwhile.",
            row.problem,
            labels=kind,
        )


def _embedding(now: datetime) -> Iterator[CheckResult]:
    waits = Q(failed_at=None)
    jobs = EmbeddingJob.objects.aggregate(
        waiting=Count("pk", filter=waits),
        failed=Count("pk", filter=~waits),
        since=Min("created_at", filter=waits),
    )
    oldest_s = (now - jobs["since"]).total_seconds() if jobs["since"] else 0.0
    yield CheckResult("embedding_waiting", "jobs", "Listings that wait for their vectors.", jobs["waiting"])
    yield CheckResult(
        "embedding_oldest",
        "seconds",
        "How long the oldest of them waits.",
        max(oldest_s, 0.0),
        embedding_lag.EMBEDDING_PATIENCE.total_seconds(),
        "Check that worker-embeddings and beat run, and their logs. A bulk load is caught up by itself.",
    )
    yield CheckResult(
        "embedding_failed",
        "jobs",
        "Listings that were tried five times and set aside.",
        jobs["failed"],
        0,
        "The admin's embedding jobs show the errors; correct the cause and retry them there.",
    )


def client_addresses() -> CheckResult:
    """Whether the addresses of clients are known, by which strangers are limited."""
    return CheckResult(
        "proxies",
        "proxies",
        "The proxies in front, as PROXY_COUNT says.",
        settings.ENVIRONMENT.proxy_count,
        advice="Set PROXY_COUNT to the number of your proxies that add to X-Forwarded-For.",
        problem=settings.ENVIRONMENT.address_problem,
    )


def warn_at_start() -> None:
    """Log what is wrong with the settings of this process and would not be noticed by itself."""
    line = client_addresses()
    if line.problem:
        logger.error("%s %s", line.problem, line.advice)


def _disk() -> CheckResult:
    used = shutil.disk_usage(settings.VAR)
    return CheckResult(
        "disk_used",
        "share",
        "How full the disk under VAR is.",
        1 - used.free / used.total,
        MAXIMUM_DISK_SHARE,
        "Free space: a full disk stops writes of photos, models and index generations.",
    )
