"""How the house stands, line by line: what `/readyz` tells and `/metrics` draws."""

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import Error, connection, transaction
from django.db.models import Count, Max, Min, Q
from django.utils import timezone

from marketplace import background
from marketplace.lines import OK, Line, first_line
from recommendations import changes, generations, lag, replica
from recommendations.models import CatalogueChange, EmbeddingJob, TrainedModel
from recommendations.remembered import Remembered

DATABASE_TIMEOUT_S = 2.0
LONGEST_REPLICA_LAG_S = 60.0
MOST_CHANGES_BEYOND_INDEX = 100_000
TRAINED_WITHIN_S = 2 * 24 * 3600.0  # beat trains every night
FULLEST_DISK = 0.95
LOOK_EVERY = timedelta(seconds=1)  # whoever asks, and however often


def look(now: datetime) -> list[Line]:
    """Look at everything, in little time: what does not answer soon is over its limit, or unknown."""
    lines = [_database()]
    if lines[0].status == OK:
        for group in (_replica, _index, _models, _embedding):
            lines += _asked(group, now)
    return [*lines, *background.lines(now), _disk()]


_seen = Remembered(look, kept=LOOK_EVERY)


def seen() -> list[Line]:
    """What `look` found, a second ago at most."""
    return _seen.at(timezone.now())


def forget() -> None:
    """The next call of `seen` looks."""
    _seen.forget()
    _following.forget()


@contextmanager
def _in_short() -> Iterator[None]:
    """A transaction whose statements may take DATABASE_TIMEOUT_S each."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {DATABASE_TIMEOUT_S * 1000:.0f}")
        yield


def _database() -> Line:
    began, problem = time.perf_counter(), ""
    try:
        with _in_short(), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        connection.close()
        problem = first_line(error)
    return Line(
        "database_answer",
        "seconds",
        "How long PostgreSQL took to answer.",
        None if problem else time.perf_counter() - began,
        DATABASE_TIMEOUT_S,
        "Start PostgreSQL or mend DATABASE_URL; see its log, its connections, its disk.",
        problem,
        is_vital=True,
    )


def _asked(group: Callable[[datetime], Iterable[Line]], now: datetime) -> list[Line]:
    """The lines of a group; what keeps it from being asked is a line, too."""
    try:
        with _in_short():
            return list(group(now))
    except Error as error:
        connection.close()
        name = group.__name__.strip("_")
        return [Line(name, "lines", "What is asked of the database.", problem=first_line(error))]


class Following:
    """How long this process has not seen a change that was there: known from one look to the next."""

    def __init__(self) -> None:
        self._awaited: tuple[int, float] | None = None  # a change, and when it was first seen to be missing
        self._looking = threading.Lock()

    def forget(self) -> None:
        """The next look is the first one."""
        self._awaited = None

    def lag_s(self, *, reached: int, latest: int, clock_s: float) -> float:
        """Seconds since a change was missed that is missing still; 0 for the first look that misses one."""
        with self._looking:
            if self._awaited is None or reached >= self._awaited[0]:
                self._awaited = (latest, clock_s) if reached < latest else None
            return clock_s - self._awaited[1] if self._awaited else 0.0


_following = Following()


def _replica(now: datetime) -> Iterator[Line]:
    about = {
        "limit": LONGEST_REPLICA_LAG_S,
        "advice": "See this process's log, and restart it; a bulk load passes by itself. "
        "Where nothing was embedded yet: `manage.py embed`.",
        "is_vital": True,
    }
    name, unit, meaning = "replica_lag", "seconds", "How long this process lacks a change of the catalogue."
    try:
        reached = replica.view().seq
    except replica.NotReady as error:
        yield Line(name, unit, meaning, problem=error.detail, **about)
        return
    latest = changes.last_seq()
    lag_s = _following.lag_s(reached=reached, latest=latest, clock_s=time.monotonic())
    yield Line(name, unit, meaning, lag_s, **about)
    lacking = CatalogueChange.objects.filter(seq__gt=reached)[:MOST_CHANGES_BEYOND_INDEX].count()
    yield Line("replica_behind", "changes", "Changes that this process lacks.", lacking)


def _index(now: datetime) -> Iterator[Line]:
    try:
        view = replica.view()
    except replica.NotReady:
        return
    yield Line("index_generation", "number", "The generation of the index that serves.", view.generation)
    seq = generations.newest_seq(view.encoder_version)
    if seq is not None:
        yield Line(
            "index_behind",
            "changes",
            "Changes since the newest index generation, which each process reads as it starts.",
            max(changes.last_seq() - seq, 0),
            MOST_CHANGES_BEYOND_INDEX,
            "See that worker-training and beat run, and the disk under VAR; `manage.py rebuild_index`.",
        )


def _models(now: datetime) -> Iterator[Line]:
    tried = dict(TrainedModel.objects.order_by().values_list("kind").annotate(Max("created_at")))
    for row in TrainedModel.objects.filter(status=TrainedModel.Status.ACTIVE).order_by("kind"):
        kind = {"kind": row.kind}
        age_s = (now - row.created_at).total_seconds()
        yield Line("model_age", "seconds", "How old the model is that serves.", age_s, labels=kind)
        trains_nightly = row.kind == TrainedModel.Kind.COLLABORATIVE
        yield Line(
            "model_tried",
            "seconds",
            "How long ago one was last trained, published or refused.",
            (now - tried[row.kind]).total_seconds(),
            TRAINED_WITHIN_S if trains_nightly else None,
            f"See the log of worker-training and that beat runs; `manage.py train {row.kind}`.",
            labels=kind,
        )
        yield Line(
            "model_damaged",
            "files",
            "Whether its files cannot be loaded.",
            float(bool(row.problem)),
            0,
            f"`manage.py train {row.kind}`; the one before serves meanwhile.",
            row.problem,
            labels=kind,
        )


def _embedding(now: datetime) -> Iterator[Line]:
    waits = Q(failed_at=None)
    found = EmbeddingJob.objects.aggregate(
        waiting=Count("pk", filter=waits),
        failed=Count("pk", filter=~waits),
        since=Min("created_at", filter=waits),
    )
    oldest_s = (now - found["since"]).total_seconds() if found["since"] else 0.0
    yield Line("embedding_waiting", "jobs", "Listings that wait for their vectors.", found["waiting"])
    yield Line(
        "embedding_oldest",
        "seconds",
        "How long the oldest of them waits.",
        max(oldest_s, 0.0),
        lag.PATIENCE.total_seconds(),
        "See that worker-embeddings and beat run, and their logs. After a bulk load it passes by itself.",
    )
    yield Line(
        "embedding_failed",
        "jobs",
        "Listings that were tried five times and set aside.",
        found["failed"],
        0,
        "The admin's embedding jobs say why; mend it and retry them there.",
    )


def _disk() -> Line:
    used = shutil.disk_usage(settings.VAR)
    return Line(
        "disk_used",
        "share",
        "How full the disk under VAR is.",
        1 - used.free / used.total,
        FULLEST_DISK,
        "Make room: photos, models and index generations can no longer be written when it is full.",
    )
