"""From the newest generation and the log to the next generation; and the check that both agree."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from filelock import FileLock, Timeout

from listings.models import Listing
from recommendations import changes, embedding, encoders, generations, model_store, replica
from recommendations.columns import NO_LISTING
from recommendations.models import ListingEmbedding, TrainedModel
from recommendations.view import View

WORTH_CHANGES = 256  # fewer than this wait in each process's tail
TOLERATED_SHARE = 0.01  # of listings that may be left behind, failed, when a new encoder is served
DEAD_SHARE = 0.5  # a generation of more dead rows than this is written without them


class AlreadyCompacting(Exception):
    """Another process is writing a generation."""


def compact(*, least_changes: int = WORTH_CHANGES) -> dict[str, int]:
    """Merge what changed since the newest generation into a new one, and prune the log behind the oldest.

    A candidate encoder whose listings are all embedded gets its first generation here and becomes
    active. Does nothing while another process does it.
    """
    try:
        with _alone():
            model = _promotable() or encoders.active()
            if model is None or not _is_worth_it(model, least_changes):
                return {"rows": 0, "changes": 0}
            return _compact(model)
    except Timeout:
        return {"rows": 0, "changes": 0}


def rebuild() -> generations.Generation:
    """A generation from the tables, whatever is on disk. Raises AlreadyCompacting, NotReady."""
    model = encoders.active()
    if model is None:
        raise replica.NotReady("No listing was embedded yet: run `manage.py embed`.")
    try:
        with _alone():
            return _publish_whole(model, replica.from_table(model))
    except Timeout:
        raise AlreadyCompacting("Another process is writing an index generation; try again later.") from None


def _is_worth_it(model: TrainedModel, least_changes: int) -> bool:
    """Told from the numbers alone, before any file of an index is read."""
    seq = generations.newest_seq(model.version)
    if model.status != TrainedModel.Status.ACTIVE or seq is None:
        return ListingEmbedding.objects.filter(encoder_version=model.version).exists()
    return changes.last_seq() - seq >= least_changes


def _compact(model: TrainedModel) -> dict[str, int]:
    newest = generations.newest(model.version)
    view = replica.load(model, generation=newest)
    change_count = view.seq - (newest.seq if newest else 0)
    dead = float((~view.alive).mean()) if view.row_count else 0.0
    if newest is None or newest.number != view.generation or dead > DEAD_SHARE:
        _publish_whole(model, view)
    else:
        blocks, columns = view.comparison.blocks, view.columns()
        generations.publish(model.version, blocks, columns, view.seq, grown_from=newest)
        _finish(model)
    return {"rows": view.row_count, "changes": change_count}


def _publish_whole(model: TrainedModel, view: View) -> generations.Generation:
    """A generation of the live rows only, its index built from nothing."""
    columns = view.columns()
    live = columns.attributes["listing_id"] != NO_LISTING
    generation = generations.publish(model.version, view.comparison.blocks, columns.taken(live), view.seq)
    _finish(model)
    return generation


@transaction.atomic
def _finish(model: TrainedModel) -> None:
    """Serve the model if it is not served yet, then give up what no reader needs any more.

    In one transaction: a reader that finds the log pruned must find the new encoder active.
    """
    if model.status != TrainedModel.Status.ACTIVE:
        model_store.activate(model)
        ListingEmbedding.objects.exclude(encoder_version=model.version).delete()
        generations.drop_other_encoders(model.version)
    changes.prune_to(generations.oldest_kept_seq(model.version))


def _promotable() -> TrainedModel | None:
    """The candidate encoder, once every listing on the market has its vector in the new space.

    What left the market has followed, too: the old space goes when the new one is served. A few that failed
    for good, one in a hundred at most, do not hold up the others.
    """
    model = encoders.target()
    if model is None or model.status == TrainedModel.Status.ACTIVE:
        return None
    lacking = embedding.lacking_vector()
    failed = lacking.exclude(embedding_job__failed_at=None).count()
    done = ListingEmbedding.objects.filter(encoder_version=model.version).count()
    return model if lacking.count() == failed and failed <= TOLERATED_SHARE * done else None


def _alone() -> FileLock:
    settings.INDEX_ROOT.mkdir(parents=True, exist_ok=True)
    return FileLock(settings.INDEX_ROOT / "compaction.lock", timeout=0)


@dataclass(frozen=True)
class Verdict:
    """What the check found. Listing ids that the index lacks, has beyond the database, or has otherwise."""

    checked: int
    missing: list[int]
    surplus: list[int]
    different: list[int]
    waiting: int  # jobs: their listings are not, or not newly, embedded yet

    @property
    def agrees(self) -> bool:
        return not (self.missing or self.surplus or self.different)


def verify() -> Verdict:
    """Open the newest generation, apply the log, and compare with the database what is live, and each vector.

    Raises NotReady.
    """
    model = encoders.active()
    if model is None:
        raise replica.NotReady("No listing was embedded yet: run `manage.py embed`.")
    generation = generations.newest(model.version)
    with _one_moment():
        view = replica.load(model, generation=generation)
        stored = ListingEmbedding.objects.filter(
            encoder_version=model.version, listing__status=Listing.Status.ACTIVE
        )
        in_database = {
            pk: hashlib.sha256(vector).digest()
            for pk, vector in stored.values_list("listing_id", "vector").iterator()
        }
    in_index = _digests(view)
    both = in_index.keys() & in_database.keys()
    return Verdict(
        checked=len(in_database),
        missing=sorted(in_database.keys() - in_index.keys()),
        surplus=sorted(in_index.keys() - in_database.keys()),
        different=sorted(pk for pk in both if in_index[pk] != in_database[pk]),
        waiting=embedding.waiting_count(),
    )


@contextmanager
def _one_moment() -> Iterator[None]:
    """A transaction whose queries all see one state: a worker that finishes meanwhile is no difference."""
    nested = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if not nested:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _digests(view: View) -> dict[int, bytes]:
    rows = np.flatnonzero(view.alive)
    return {
        int(view.attributes["listing_id"][row]): hashlib.sha256(
            view.vectors(np.array([row]))[0].astype("<f2").tobytes()
        ).digest()
        for row in rows
    }
