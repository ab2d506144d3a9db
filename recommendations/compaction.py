"""From the newest generation and the log to the next generation; and the check that both agree."""

import hashlib
from dataclasses import dataclass

import numpy as np
from django.conf import settings
from filelock import FileLock, Timeout

from recommendations import changes, embedding, encoders, generations, model_store, replica
from recommendations.columns import NO_LISTING, Columns
from recommendations.models import ListingEmbedding, TrainedModel
from recommendations.view import View

WORTH_CHANGES = 256  # fewer than this wait in each process's tail
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
            if model is None:
                return {"rows": 0, "changes": 0}
            return _compact(model, least_changes)
    except Timeout:
        return {"rows": 0, "changes": 0}


def rebuild() -> generations.Generation:
    """A generation from the tables, whatever is on disk. Raises AlreadyCompacting, NotReady."""
    model = _promotable() or encoders.active()
    if model is None:
        raise replica.NotReady("No listing was embedded yet: run `manage.py embed`.")
    try:
        with _alone():
            return _publish_whole(model, replica.from_table(model))
    except Timeout:
        raise AlreadyCompacting("Another process is writing an index generation; try again later.") from None


def _compact(model: TrainedModel, least_changes: int) -> dict[str, int]:
    newest = generations.newest(model.version)
    view = replica.load(model)
    change_count = view.seq - newest.seq if newest else view.seq
    if newest and change_count < least_changes:
        return {"rows": view.row_count, "changes": 0}
    blocks, columns = view.comparison.blocks, view.columns()
    dead = float((~view.alive).mean()) if view.row_count else 0.0
    if newest is None or newest.number != view.generation or dead > DEAD_SHARE:
        _publish_whole(model, view)
    else:
        generations.publish(model.version, blocks, columns, view.seq, grown_from=newest)
        _finish(model)
    return {"rows": len(columns), "changes": change_count}


def _publish_whole(model: TrainedModel, view: View) -> generations.Generation:
    """A generation of the live rows only, its index built from nothing."""
    columns = view.columns()
    live = columns.attributes["listing_id"] != NO_LISTING
    kept = Columns(columns.attributes[live], columns.vectors[live])
    generation = generations.publish(model.version, view.comparison.blocks, kept, view.seq)
    _finish(model)
    return generation


def _finish(model: TrainedModel) -> None:
    changes.prune_to(generations.oldest_kept_seq(model.version))
    if model.status != TrainedModel.Status.ACTIVE:
        model_store.activate(model)


def _promotable() -> TrainedModel | None:
    """The candidate encoder, once nothing waits to be embedded with it."""
    model = encoders.target()
    waits = model is None or model.status == TrainedModel.Status.ACTIVE or embedding.waiting_count()
    return None if waits else model


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
    view = replica.load(model)
    in_index = _digests(view)
    stored = ListingEmbedding.objects.filter(
        encoder_version=model.version, listing__status="active"
    ).values_list("pk", "vector")
    in_database = {pk: hashlib.sha256(vector).digest() for pk, vector in stored.iterator()}
    both = in_index.keys() & in_database.keys()
    return Verdict(
        checked=len(in_database),
        missing=sorted(in_database.keys() - in_index.keys()),
        surplus=sorted(in_index.keys() - in_database.keys()),
        different=sorted(pk for pk in both if in_index[pk] != in_database[pk]),
        waiting=embedding.waiting_count(),
    )


def _digests(view: View) -> dict[int, bytes]:
    rows = np.flatnonzero(view.alive)
    return {
        int(view.attributes["listing_id"][row]): hashlib.sha256(
            view.vectors(np.array([row]))[0].astype("<f2").tobytes()
        ).digest()
        for row in rows
    }
