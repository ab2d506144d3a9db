"""Slates: the order of listings that was offered to an actor, the impressions of its pages, and cursors."""

import logging
import uuid
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.core.signing import BadSignature, Signer
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from psycopg.types.json import Jsonb

from listings.errors import Invalid
from listings.models import Actor
from ml.arrays import Matrix, Rows, ShapeError, Vector, require_matrix, require_vector
from ml.progress import Progress, ignore_progress
from recommendations.core.identity import is_identity_of
from recommendations.models.slates import ANONYMOUS_RETENTION, CURSOR_LIFETIME, Impression, Slate

MAX_SLATE_LENGTH = 200  # listings of a slate
PRUNED_AT_ONCE = 1000  # slates per transaction

_NO_PLACES = np.empty(0, np.int64)

logger = logging.getLogger(__name__)

# A dot needs no quoting in a URL.
_signer = Signer(salt="recommendations.slates.cursor", sep=".")


class BadCursor(Invalid):
    """A cursor that was altered, has expired, or belongs to another actor."""

    def __init__(self, detail: str):
        super().__init__(f"{detail} Ask again without a cursor.", field="cursor")


@dataclass(frozen=True)
class SlateDraft:
    """A slate before it is written: m listings in order, f features.   Raises ShapeError."""

    surface: str  # a Slate.Surface
    actor: Actor | None
    listing_ids: list[int]  # (m,), at most MAX_SLATE_LENGTH
    feature_names: tuple[str, ...]
    features: Matrix  # (m, f) float32, NaN = unknown
    propensities: Vector  # (m,) float32, 1 except where exploration drew the listing
    reasons: list[str]  # (m,) codes
    seed: int
    versions: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        length = len(self.listing_ids)
        if length > MAX_SLATE_LENGTH or len(self.reasons) != length:
            raise ShapeError(
                f"expected at most {MAX_SLATE_LENGTH} listings with a reason each, "
                f"found {length} listings and {len(self.reasons)} reasons"
            )
        require_matrix(self.features, rows=length, columns=len(self.feature_names), dtypes=[np.float32])
        require_vector(self.propensities, length=length, dtypes=[np.float32])


# A statement whose commit does not wait for the disk; inside another transaction, that one decides.
_COMMIT = """
    WITH commit AS MATERIALIZED (
        SELECT set_config(
            'synchronous_commit', coalesce(%(commit)s, current_setting('synchronous_commit')), true
        )
    )
"""
# A slate and its first page.
_WRITE = f"""
    {_COMMIT}, slate AS (
        INSERT INTO recommendations_slate (
            id, surface, actor_id, listing_ids, feature_names, features, propensities, reasons, seed,
            versions, parameters, created_at
        )
        SELECT %(id)s, %(surface)s, %(actor)s, %(listing_ids)s::bigint[], %(feature_names)s::text[],
               %(features)s, %(propensities)s, %(reasons)s::text[], %(seed)s, %(versions)s, %(parameters)s,
               %(now)s
        FROM commit RETURNING id
    )
    INSERT INTO recommendations_impression (slate_id, "offset", count, served_at)
    SELECT slate.id, run."offset", run.count, %(now)s
    FROM slate CROSS JOIN unnest(%(offsets)s::int[], %(counts)s::int[]) AS run ("offset", count)
"""


_LOG = f"""
    {_COMMIT}
    INSERT INTO recommendations_impression (slate_id, "offset", count, served_at)
    SELECT %(slate)s, %(offset)s, %(count)s, %(now)s FROM commit ON CONFLICT DO NOTHING
"""


def write(draft: SlateDraft, *, now: datetime, shown: Sequence[int] = ()) -> str:
    """Store a slate; its id, which pages and events name.

    shown: the places of its first page, ascending, which get impressions. The commit is asynchronous: the
    slate may be lost if the database's machine loses power within the next second. Raises DatabaseError,
    after which a transaction around it can go on.
    """
    slate_id, runs = uuid.uuid4(), _runs(np.asarray(shown))
    parameters = {
        "id": slate_id,
        "surface": draft.surface,
        "actor": None if draft.actor is None else draft.actor.pk,
        "listing_ids": draft.listing_ids,
        "feature_names": list(draft.feature_names),
        "features": draft.features.astype("<f4").tobytes(),
        "propensities": draft.propensities.astype("<f4").tobytes(),
        "reasons": draft.reasons,
        "seed": draft.seed,
        "versions": Jsonb(draft.versions),
        "parameters": Jsonb(draft.parameters),
        "now": now,
        "offsets": [int(run[0]) for run in runs],
        "counts": [len(run) for run in runs],
    }
    _execute(_WRITE, parameters)
    return slate_id.hex


def _execute(statement: str, parameters: dict[str, Any]) -> None:
    """Execute a statement that begins with _COMMIT. A transaction around it can go on after an error."""
    is_inside = connection.in_atomic_block
    with transaction.atomic() if is_inside else nullcontext(), connection.cursor() as cursor:
        cursor.execute(statement, {**parameters, "commit": None if is_inside else "off"})


def _runs(places: Rows) -> list[Rows]:
    """Runs of adjacent places, each of which is one impression.   (p,) ascending"""
    if not len(places):
        return []
    return np.split(places, np.flatnonzero(np.diff(places) != 1) + 1)


def write_or_none(draft: SlateDraft, *, now: datetime, shown: Sequence[int] = ()) -> str | None:
    """As `write`, but None where the database refuses: the answer goes out without a slate."""
    try:
        return write(draft, now=now, shown=shown)
    except DatabaseError:
        logger.exception("A slate was not stored; the answer goes out without a slate id")
        return None


def log_impression(slate_id: str, *, offset: int, count: int, now: datetime) -> None:
    """Log an impression of `count` places of a slate from an offset on. A repetition adds nothing.

    Raises DatabaseError, also for a slate that was deleted.
    """
    page = {"slate": uuid.UUID(slate_id), "offset": offset, "count": count, "now": now}
    _execute(_LOG, page)


def log_impressions(slate_id: str, places: Sequence[int], *, now: datetime) -> None:
    """Log impressions of the listings at these places, ascending, one for each run of adjacent places.

    Places with an impression are left out: a page may be requested twice, and be longer the second time.
    Logs a DatabaseError rather than raising it.
    """
    try:
        for run in _runs(np.setdiff1d(places, _served_places(slate_id))):
            log_impression(slate_id, offset=int(run[0]), count=len(run), now=now)
    except DatabaseError:
        logger.exception(
            "An impression was not stored; the page goes out, but its events do not count for the slate"
        )


def _served_places(slate_id: str) -> Rows:
    """Places of a slate that have an impression: (p,) int64"""
    pages = Impression.objects.filter(slate=uuid.UUID(slate_id)).values_list("offset", "count")
    return np.concatenate([_NO_PLACES, *(np.arange(first, first + count) for first, count in pages)])


def find(slate_id: str) -> Slate | None:
    """The slate with this id, or None. Events may name any text, so it need not be a UUID."""
    try:
        key = uuid.UUID(slate_id)
    except ValueError:
        return None
    return Slate.objects.filter(pk=key).first()


def features_of(slate: Slate) -> Matrix:
    """The features that each listing was ranked by: (m, f) float32, NaN = unknown.

    Raises ShapeError where the stored bytes are missing or do not fit.
    """
    return _read(slate.features, (len(slate.listing_ids), len(slate.feature_names)))


def propensities_of(slate: Slate) -> Vector:
    """The probability of each listing to stand at its place: (m,) float32.   Raises ShapeError as above."""
    return _read(slate.propensities, (len(slate.listing_ids),))


def _read(stored: bytes | memoryview, shape: tuple[int, ...]) -> np.ndarray:
    values = np.frombuffer(bytes(stored)[: len(stored) // 4 * 4], "<f4")
    if 4 * len(values) != len(stored) or len(values) != np.prod(shape):
        raise ShapeError(f"expected {shape} of float32, found {len(stored)} bytes")
    return values.reshape(shape).astype(np.float32)


def cursor_after(slate_id: str, *, offset: int, actor: Actor | None, now: datetime) -> str:
    """A signed cursor to a slate from an offset on, for this actor, valid for CURSOR_LIFETIME.

    It needs no quoting in a URL.
    """
    whose = None if actor is None else actor.pk
    return _signer.sign_object([slate_id, offset, whose, int(now.timestamp())])


def read_cursor(text: str, *, actor: Actor | None, now: datetime) -> tuple[Slate, int]:
    """The slate and offset that a cursor leads to.

    A cursor without an actor may be used by anyone: it stays valid when an anonymous visitor becomes an
    actor by their first event, and when a visitor logs in.
    Raises BadCursor when it was altered, is another actor's, is older than CURSOR_LIFETIME, or its slate was
    deleted.
    """
    try:
        slate_id, offset, whose, written = _signer.unsign_object(text)
    except (BadSignature, UnicodeError):
        raise BadCursor("This cursor was not given out here.") from None
    if whose is not None and not is_identity_of(whose, actor):
        raise BadCursor("This cursor is somebody else's.")
    if now - datetime.fromtimestamp(written, UTC) > CURSOR_LIFETIME:
        raise BadCursor("This cursor has expired.")
    slate = find(slate_id)
    if slate is None:
        raise BadCursor("What this cursor leads on from is gone.")
    return slate, offset


def prune(*, kept: timedelta, now: datetime, progress: Progress = ignore_progress) -> int:
    """Delete slates older than `kept`, with their impressions, in batches; the number of slates.

    Anonymous slates, from which no model learns, go after ANONYMOUS_RETENTION. When it is interrupted, the
    next call deletes what is left.
    """
    anonymous = Slate.objects.filter(actor=None, created_at__lt=now - min(kept, ANONYMOUS_RETENTION))
    of_anybody = Slate.objects.filter(created_at__lt=now - kept)
    # Two passes, since each has an index of its own.
    return sum(_prune(old, progress) for old in (anonymous, of_anybody))


def _prune(old: QuerySet[Slate], progress: Progress) -> int:
    total, done = old.count(), 0
    while chosen := list(old.order_by("created_at").values_list("pk", flat=True)[:PRUNED_AT_ONCE]):
        with transaction.atomic():
            Impression.objects.filter(slate__in=chosen).delete()
            deleted = Slate.objects.filter(pk__in=chosen).only("pk").delete()[1]
        done += deleted.get(Slate._meta.label, 0)
        progress(done, total)
    return done
