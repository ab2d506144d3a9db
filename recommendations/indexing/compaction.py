"""Compaction: merges the change log into a new index generation, and verifies the index."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from filelock import FileLock, Timeout

from listings.models import Listing
from recommendations.encoders import selection
from recommendations.indexing import embedding_jobs
from recommendations.model_registry import publication
from recommendations.models.embeddings import ListingEmbedding
from recommendations.models.trained_models import TrainedModel
from recommendations.replica import change_log, follower, generations
from recommendations.replica.columns import NO_LISTING
from recommendations.replica.snapshot import CatalogueSnapshot

WORTH_CHANGES = 256  # least changes for a new generation; fewer stay in the tail of each process
TOLERATED_SHARE = 0.01  # of listings may have failed when a new encoder becomes active
DEAD_SHARE = 0.5  # with more dead rows than this, a generation is written without them


class AlreadyCompacting(Exception):
    """Another process is writing a generation."""


def compact(*, least_changes: int = WORTH_CHANGES) -> dict[str, int]:
    """Merge the changes since the newest generation into a new one, and prune the log behind the oldest.

    A candidate encoder whose listings are all embedded gets its first generation here and becomes active.
    Returns the numbers of rows and of merged changes: both 0 when there are too few changes, or while
    another process compacts.
    """
    try:
        with _compaction_lock():
            model = _promotable() or selection.active_encoder()
            if model is None or not _is_worth_it(model, least_changes):
                return {"rows": 0, "changes": 0}
            return _compact(model)
    except Timeout:
        return {"rows": 0, "changes": 0}


def rebuild() -> generations.Generation:
    """Write a generation from the tables, whatever is on disk. Raises AlreadyCompacting, ReplicaNotReady."""
    model = selection.active_encoder()
    if model is None:
        raise follower.ReplicaNotReady("No listing was embedded yet: run `manage.py embed`.")
    try:
        with _compaction_lock():
            return _publish_whole(model, follower.from_table(model))
    except Timeout:
        raise AlreadyCompacting("Another process is writing an index generation; try again later.") from None


def _is_worth_it(model: TrainedModel, least_changes: int) -> bool:
    """Whether there are enough changes for a generation. Reads no index files."""
    seq = generations.newest_seq(model.version)
    if model.status != TrainedModel.Status.ACTIVE or seq is None:
        return ListingEmbedding.objects.filter(encoder_version=model.version).exists()
    return change_log.last_seq() - seq >= least_changes


def _compact(model: TrainedModel) -> dict[str, int]:
    newest = generations.newest(model.version)
    snapshot = follower.load(model, generation=newest)
    change_count = snapshot.seq - (newest.seq if newest else 0)
    dead = float((~snapshot.alive).mean()) if snapshot.row_count else 0.0
    if newest is None or newest.number != snapshot.generation or dead > DEAD_SHARE:
        _publish_whole(model, snapshot)
    else:
        blocks, columns = snapshot.comparison.blocks, snapshot.columns()
        generations.publish_generation(model.version, blocks, columns, snapshot.seq, grown_from=newest)
        _finish(model)
    return {"rows": snapshot.row_count, "changes": change_count}


def _publish_whole(model: TrainedModel, snapshot: CatalogueSnapshot) -> generations.Generation:
    """Write a generation of the live rows alone, with new indexes."""
    columns = snapshot.columns()
    live = columns.attributes["listing_id"] != NO_LISTING
    generation = generations.publish_generation(
        model.version, snapshot.comparison.blocks, columns.taken(live), snapshot.seq
    )
    _finish(model)
    return generation


@transaction.atomic
def _finish(model: TrainedModel) -> None:
    """Activate the encoder if it is a candidate, then delete what no reader needs any more.

    In one transaction: a reader that finds the log pruned must find the new encoder active.
    """
    if model.status != TrainedModel.Status.ACTIVE:
        publication.activate(model)
        ListingEmbedding.objects.exclude(encoder_version=model.version).delete()
        generations.drop_other_encoders(model.version)
    change_log.prune_to(generations.oldest_kept_seq(model.version))


def _promotable() -> TrainedModel | None:
    """The candidate encoder, once every listing that needs a vector of it has one.

    That includes listings that left the market, whose old vectors are deleted when the candidate becomes
    active. A share of TOLERATED_SHARE may have failed for good.
    """
    model = selection.target_encoder()
    if model is None or model.status == TrainedModel.Status.ACTIVE:
        return None
    lacking = embedding_jobs.lacking_vector()
    failed = lacking.exclude(embedding_job__failed_at=None).count()
    done = ListingEmbedding.objects.filter(encoder_version=model.version).count()
    return model if lacking.count() == failed and failed <= TOLERATED_SHARE * done else None


def _compaction_lock() -> FileLock:
    """A lock that raises Timeout at once when another process holds it."""
    settings.INDEX_ROOT.mkdir(parents=True, exist_ok=True)
    return FileLock(settings.INDEX_ROOT / "compaction.lock", timeout=0)


@dataclass(frozen=True)
class IndexVerification:
    """Result of a comparison of the index with the database: listing ids of each kind of difference."""

    checked: int  # number of vectors in the database
    missing: list[int]  # not in the index
    surplus: list[int]  # only in the index
    different: list[int]  # with another vector in the index
    waiting: int  # number of jobs: the vectors of their listings are missing or outdated

    @property
    def agrees(self) -> bool:
        return not (self.missing or self.surplus or self.different)


def verify() -> IndexVerification:
    """Compare the newest generation and the change log with the database: live listings and their vectors.

    Raises ReplicaNotReady.
    """
    model = selection.active_encoder()
    if model is None:
        raise follower.ReplicaNotReady("No listing was embedded yet: run `manage.py embed`.")
    generation = generations.newest(model.version)
    with _repeatable_read():
        snapshot = follower.load(model, generation=generation)
        stored = ListingEmbedding.objects.filter(
            encoder_version=model.version, listing__status=Listing.Status.ACTIVE
        )
        in_database = {
            pk: hashlib.sha256(vector).digest()
            for pk, vector in stored.values_list("listing_id", "vector").iterator()
        }
    in_index = _digests(snapshot)
    both = in_index.keys() & in_database.keys()
    return IndexVerification(
        checked=len(in_database),
        missing=sorted(in_database.keys() - in_index.keys()),
        surplus=sorted(in_index.keys() - in_database.keys()),
        different=sorted(pk for pk in both if in_index[pk] != in_database[pk]),
        waiting=embedding_jobs.waiting_count(),
    )


@contextmanager
def _repeatable_read() -> Iterator[None]:
    """A transaction whose queries see one state, so that a worker that finishes causes no difference."""
    nested = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if not nested:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _digests(snapshot: CatalogueSnapshot) -> dict[int, bytes]:
    rows = np.flatnonzero(snapshot.alive)
    return {
        int(snapshot.attributes["listing_id"][row]): hashlib.sha256(
            snapshot.vectors(np.array([row]))[0].astype("<f2").tobytes()
        ).digest()
        for row in rows
    }
