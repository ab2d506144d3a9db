"""Replica of the live catalogue in this process: loaded once, then kept current by a thread that tails the
change log.

Requests read a reference to the current snapshot and never wait. The thread starts at the first call, which
comes after the fork of the worker process.
"""

import logging
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from django.db import Error, connection
from django.utils import timezone
from redis.exceptions import RedisError

from listings.errors import Unavailable
from recommendations.collaborative import store
from recommendations.encoders import selection
from recommendations.model_registry.watcher import ModelWatcher
from recommendations.models.trained_models import TrainedModel
from recommendations.popularity import trending
from recommendations.ranker import store as ranker_store
from recommendations.replica import change_log, embedding_lag, generations
from recommendations.replica.columns import read_live
from recommendations.replica.generations import Generation
from recommendations.replica.snapshot import CatalogueSnapshot

TAIL_EVERY_S = 0.15
NOTE_LAG_EVERY_S = 10.0  # its query reads every waiting job
LOOK_AROUND_EVERY_S = 1.0  # for a new generation, encoder or model, and for trending scores

logger = logging.getLogger(__name__)


class ReplicaNotReady(Unavailable):
    """No encoder was chosen yet, so there are no vectors to search."""


class CatalogueFollower:
    """Holds the current snapshot and replaces it. Only its own thread, or a test, calls `tail`."""

    def __init__(self) -> None:
        self.snapshot: CatalogueSnapshot | None = None
        self.degraded: frozenset[str] = frozenset()
        self._lag_noted_at = -math.inf
        self._failing: set[str] = set()  # names of the steps whose last attempt failed
        self._models = ModelWatcher(store)
        self._rankers = ModelWatcher(ranker_store)
        self._looked_at: tuple[str, int] = (
            "",
            0,
        )  # encoder and generation that were adopted or found damaged
        self._pid: int | None = None
        self._starting = threading.Lock()

    def start(self) -> None:
        """Load the snapshot and start the thread, once in each process."""
        with self._starting:
            if self._pid == os.getpid():
                return
            self._try(self.refresh)
            self._pid = os.getpid()
            threading.Thread(target=self._run, name="replica", daemon=True).start()

    def _run(self) -> None:
        looked_at = 0.0
        while True:
            time.sleep(TAIL_EVERY_S)
            self._try(self.tail)
            if time.monotonic() - looked_at > LOOK_AROUND_EVERY_S:
                self._try(self.refresh)
                looked_at = time.monotonic()

    def _try(self, step: Callable[[], None]) -> None:
        """Run a step. If it fails, the old snapshot goes on serving and the next turn tries again."""
        try:
            step()
            self._failing.discard(step.__name__)
        except Exception as error:
            if step.__name__ not in self._failing:  # logged once for each outage, not at each turn
                logger.exception(
                    "The catalogue snapshot could not be updated (%s). Requests go on with the last one, "
                    "and each turn tries again. Check PostgreSQL and the index folder",
                    step.__name__,
                )
            self._failing.add(step.__name__)
            if isinstance(error, Error):
                connection.close()
        catalogue = {"catalogue"}
        self.degraded = self.degraded | catalogue if self._failing else self.degraded - catalogue

    def tail(self) -> None:
        """Apply the changes since the last turn. Reload when the log was pruned past this snapshot."""
        if self.snapshot is None:
            return
        new_changes = change_log.changed_since(self.snapshot.seq)
        if not new_changes:
            return
        if change_log.is_pruned_past(self.snapshot.seq):
            model = selection.active_encoder()
            assert model is not None  # there is a snapshot of its vectors
            self.snapshot = load(model, self.snapshot)
            return
        self.snapshot = apply_changes(self.snapshot, new_changes)

    def refresh(self) -> None:
        """Adopt a new encoder, generation or model, and the current trending scores."""
        model = selection.active_encoder()
        if model is None:
            return
        newest = (model.version, generations.newest_number(model.version))
        if self.snapshot is None or newest != self._looked_at:
            self.snapshot = load(model, self.snapshot)
            self._looked_at = newest
        self._take_models()
        self._take_trending()
        if time.monotonic() - self._lag_noted_at > NOTE_LAG_EVERY_S:
            self._note_lag()
            self._lag_noted_at = time.monotonic()

    def _take_models(self) -> None:
        assert self.snapshot is not None  # loaded by `refresh`
        model, ranker = self._models.look(), self._rankers.look()
        if model is not self.snapshot.collaborative:
            self.snapshot = self.snapshot.with_collaborative(model)
        if ranker is not self.snapshot.ranker:
            self.snapshot = self.snapshot.with_ranker(ranker)
        watches: dict[str, ModelWatcher[Any]] = {"collaborative": self._models, "ranker": self._rankers}
        missing = {name for name, watch in watches.items() if watch.is_missing}
        missing |= {"ranker"} if ranker is None and ranker_store.was_refused() else set()
        self.degraded = self.degraded - watches.keys() | missing

    def _take_trending(self) -> None:
        """Read the trending scores from Redis, which is the broker as well.

        A Redis that is full refuses messages but can still be read: then only the broker is degraded.
        """
        assert self.snapshot is not None  # loaded by `refresh`
        both = {"trending", "broker"}
        try:
            self.snapshot = self.snapshot.with_trending(*trending.top())
            missing = set() if trending.is_writable() else {"broker"}
        except RedisError:
            missing = both
        self.degraded = self.degraded - both | missing

    def _note_lag(self) -> None:
        assert self.snapshot is not None  # loaded by `refresh`
        is_late = embedding_lag.is_embedding_late(self.snapshot.encoder_version, now=timezone.now())
        late = {"embedding"} if is_late else set()
        self.degraded = self.degraded - {"embedding"} | late


_replica = CatalogueFollower()


def start() -> None:
    """Start to follow the catalogue in this process."""
    _replica.start()


def snapshot() -> CatalogueSnapshot:
    """The current snapshot. Raises ReplicaNotReady before the first encoder was chosen."""
    if _replica._pid != os.getpid():
        _replica.start()
    if _replica.snapshot is None:
        raise ReplicaNotReady("No listing was embedded yet: run `manage.py embed`.")
    return _replica.snapshot


def degraded() -> list[str]:
    """Names of the parts that are missing or outdated now, sorted."""
    return sorted(_replica.degraded)


def load(
    model: TrainedModel, current: CatalogueSnapshot | None = None, *, generation: Generation | None = None
) -> CatalogueSnapshot:
    """A snapshot from a generation (the newest by default) and the changes after it, else from the tables.

    The models and the trending scores are carried over from the current snapshot.
    """
    loaded = _from_generation(model, generation or generations.newest(model.version)) or from_table(model)
    while new_changes := change_log.changed_since(loaded.seq):
        loaded = apply_changes(loaded, new_changes)
    if current is None:
        return loaded
    rows = np.flatnonzero(current.trending)
    loaded = loaded.with_trending(current.attributes["listing_id"][rows], current.trending[rows])
    return loaded.with_collaborative(current.collaborative).with_ranker(current.ranker)


def _from_generation(model: TrainedModel, generation: Generation | None) -> CatalogueSnapshot | None:
    if generation is None or change_log.is_pruned_past(generation.seq):
        return None
    blocks = selection.blocks_of(model)
    return CatalogueSnapshot.load(
        model.version,
        blocks,
        generation.columns,
        generation.index,
        generation.seq,
        generation.number,
        photo_index=generation.photo_index,
    )


def from_table(model: TrainedModel) -> CatalogueSnapshot:
    """A snapshot from the tables, with new indexes.

    The seq is read before the rows. A change that commits in between is applied again later, which is
    harmless.
    """
    blocks = selection.blocks_of(model)
    seq = change_log.last_seq()
    columns = read_live(model.version, blocks)
    index, photo_index = generations.indexes_of(columns, blocks)
    return CatalogueSnapshot.load(model.version, blocks, columns, index, seq, photo_index=photo_index)


def apply_changes(snapshot: CatalogueSnapshot, new_changes: list[tuple[int, int]]) -> CatalogueSnapshot:
    """The snapshot after these changes (seq, listing id). Current rows are read from the tables."""
    listing_ids = np.unique(np.array([pk for _, pk in new_changes], dtype=np.int64))
    live = read_live(snapshot.encoder_version, snapshot.comparison.blocks, listing_ids.tolist())
    return snapshot.with_changes(listing_ids, live, seq=new_changes[-1][0])
