"""What was offered to whom, in which order and why: slates, their pages that were served, cursors."""

import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.core.signing import BadSignature, Signer
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet

from listings.errors import Invalid
from listings.models import Actor
from ml.arrays import Matrix, Rows, ShapeError, Vector, require_matrix, require_vector
from ml.progress import Progress, unwatched
from recommendations.identity import is_identity_of
from recommendations.models import Impression, Slate

LONGEST = 200  # listings of a slate
CURSOR_LASTS = timedelta(days=1)
OF_STRANGERS_KEPT = timedelta(days=31)  # longer than events are parked that name them
PRUNED_AT_ONCE = 1000  # slates in one transaction

_NO_PLACES = np.empty(0, np.int64)

logger = logging.getLogger(__name__)

# A dot as separator: it stands in an address as it is.
_signer = Signer(salt="recommendations.slates.cursor", sep=".")


class BadCursor(Invalid):
    """A cursor that was not given out like this, or is not to be used by this actor, or not any more."""

    def __init__(self, detail: str):
        super().__init__(f"{detail} Ask again without a cursor.", field="cursor")


@dataclass(frozen=True)
class Draft:
    """A slate that is not written yet; m listings in order, f features.   Raises ShapeError."""

    surface: str  # a Slate.Surface
    actor: Actor | None
    listing_ids: list[int]  # (m,), at most LONGEST
    feature_names: tuple[str, ...]
    features: Matrix  # (m, f) float32, NaN for unknown
    propensities: Vector  # (m,) float32, 1 where nothing was drawn by chance
    reasons: list[str]  # (m,) codes
    seed: int
    versions: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        length = len(self.listing_ids)
        if length > LONGEST or len(self.reasons) != length:
            raise ShapeError(f"{length} listings, at most {LONGEST}, with {len(self.reasons)} reasons")
        require_matrix(self.features, rows=length, columns=len(self.feature_names), dtypes=[np.float32])
        require_vector(self.propensities, length=length, dtypes=[np.float32])


def write(draft: Draft, *, now: datetime) -> str:
    """Keep a slate; its id, as pages and events name it.

    It may be lost if the database's machine loses power within the next second: nobody waits for the disk.
    Raises DatabaseError, after which a transaction around it can go on.
    """
    with _soon():
        slate = Slate.objects.create(
            surface=draft.surface,
            actor=draft.actor,
            listing_ids=draft.listing_ids,
            feature_names=list(draft.feature_names),
            features=draft.features.astype("<f4").tobytes(),
            propensities=draft.propensities.astype("<f4").tobytes(),
            reasons=draft.reasons,
            seed=draft.seed,
            versions=draft.versions,
            parameters=draft.parameters,
            created_at=now,
        )
    return slate.pk.hex


def offer(draft: Draft, *, now: datetime) -> str | None:
    """As `write`; None where it cannot be kept just now, which is no reason to offer nothing."""
    try:
        return write(draft, now=now)
    except DatabaseError:
        logger.exception("A slate could not be kept")
        return None


def serve(slate_id: str, *, offset: int, count: int, now: datetime) -> None:
    """Note that these places of a slate really went out, once however often they do.

    Raises DatabaseError, also for a slate that is gone.
    """
    page = Impression(slate_id=uuid.UUID(slate_id), offset=offset, count=count, served_at=now)
    with _soon():
        Impression.objects.bulk_create([page], ignore_conflicts=True)


def note_served(slate_id: str, places: Sequence[int], *, now: datetime, is_new: bool = True) -> None:
    """Note that listings at these places, ascending, went out; what was left out between them did not.

    is_new: nothing of the slate went out before. Else what did is not noted again, as when a page is asked
    for twice, and is longer by then. What cannot be noted is no reason to show nothing.
    """
    try:
        fresh = np.asarray(places) if is_new else np.setdiff1d(places, _served_of(slate_id))
        steps = np.flatnonzero(np.diff(fresh) != 1) + 1
        for run in np.split(fresh, steps) if len(fresh) else ():
            serve(slate_id, offset=int(run[0]), count=len(run), now=now)
    except DatabaseError:
        logger.exception("An impression could not be noted")


def _served_of(slate_id: str) -> Rows:
    """Places of a slate that went out.   (p,) int64"""
    pages = Impression.objects.filter(slate=uuid.UUID(slate_id)).values_list("offset", "count")
    return np.concatenate([_NO_PLACES, *(np.arange(first, first + count) for first, count in pages)])


@contextmanager
def _soon() -> Iterator[None]:
    """A transaction that does not wait for the disk, unless it is part of one that may have to."""
    is_own = not connection.in_atomic_block
    with transaction.atomic():
        if is_own:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit = off")
        yield


def find(slate_id: str) -> Slate | None:
    """The slate of this id; none for an id that never was one, which an event may well carry."""
    try:
        key = uuid.UUID(slate_id)
    except ValueError:
        return None
    return Slate.objects.filter(pk=key).first()


def features_of(slate: Slate) -> Matrix:
    """What each listing was ranked by: (m, f) float32, NaN for unknown.   Raises ShapeError if it is gone."""
    return _read(slate.features, (len(slate.listing_ids), len(slate.feature_names)))


def propensities_of(slate: Slate) -> Vector:
    """How likely each listing was to stand where it does: (m,) float32.   Raises ShapeError if it is gone."""
    return _read(slate.propensities, (len(slate.listing_ids),))


def _read(stored: bytes | memoryview, shape: tuple[int, ...]) -> np.ndarray:
    values = np.frombuffer(bytes(stored)[: len(stored) // 4 * 4], "<f4")
    if 4 * len(values) != len(stored) or len(values) != np.prod(shape):
        raise ShapeError(f"expected {shape} of float32, found {len(stored)} bytes")
    return values.reshape(shape).astype(np.float32)


def cursor_after(slate_id: str, *, offset: int, actor: Actor | None, now: datetime) -> str:
    """What leads to the rest of a slate from an offset on: signed, for this actor, to be used within a day.

    It stands in an address without being quoted.
    """
    whose = None if actor is None else actor.pk
    return _signer.sign_object([slate_id, offset, whose, int(now.timestamp())])


def read_cursor(text: str, *, actor: Actor | None, now: datetime) -> tuple[Slate, int]:
    """The slate and offset that a cursor leads to.

    What was given out while nobody was known may be used by anyone: a visitor becomes an actor by their
    first event, and a cursor does not end by it; nor does it as a visitor logs in.
    Raises BadCursor when it was edited, is somebody else's, is older than a day, or its slate is gone.
    """
    try:
        slate_id, offset, whose, written = _signer.unsign_object(text)
    except (BadSignature, UnicodeError):
        raise BadCursor("This cursor was not given out here.") from None
    if whose is not None and not is_identity_of(whose, actor):
        raise BadCursor("This cursor is somebody else's.")
    if now - datetime.fromtimestamp(written, UTC) > CURSOR_LASTS:
        raise BadCursor("This cursor has expired.")
    slate = find(slate_id)
    if slate is None:
        raise BadCursor("What this cursor leads on from is gone.")
    return slate, offset


def prune(*, kept: timedelta, now: datetime, progress: Progress = unwatched) -> int:
    """Delete the slates that are older than `kept` with their impressions, in batches; how many slates.

    Those of nobody known, from which nothing is learned, go after OF_STRANGERS_KEPT. Whatever breaks it off,
    what was deleted is gone and the rest goes next time.
    """
    of_strangers = Slate.objects.filter(actor=None, created_at__lt=now - min(kept, OF_STRANGERS_KEPT))
    of_anybody = Slate.objects.filter(created_at__lt=now - kept)
    # One after the other, each by its own index; what is both, goes with the strangers'.
    return sum(_prune(old, progress) for old in (of_strangers, of_anybody))


def _prune(old: QuerySet[Slate], progress: Progress) -> int:
    total, done = old.count(), 0
    while chosen := list(old.order_by("created_at").values_list("pk", flat=True)[:PRUNED_AT_ONCE]):
        with transaction.atomic():
            Impression.objects.filter(slate__in=chosen).delete()
            deleted = Slate.objects.filter(pk__in=chosen).only("pk").delete()[1]
        done += deleted.get(Slate._meta.label, 0)
        progress(done, total)
    return done
