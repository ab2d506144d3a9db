"""This process's view of the live catalogue: loaded once, then kept current by a thread that tails the log.

Requests read a reference and never wait. The thread starts after the fork, at the first call.
"""

import logging
import math
import os
import threading
import time
from collections.abc import Callable

import numpy as np
from django.db import Error, connection
from django.utils import timezone
from redis.exceptions import RedisError

from listings.errors import Unavailable
from recommendations import changes, encoders, generations, lag, model_store, ranker_store, trending
from recommendations.columns import read_live
from recommendations.generations import Generation
from recommendations.model_watch import ModelWatch
from recommendations.models import TrainedModel
from recommendations.view import View

TAIL_EVERY_S = 0.15
NOTE_LAG_EVERY_S = 10.0  # which is asked of every job that waits
LOOK_AROUND_EVERY_S = 1.0  # for a new generation, encoder or model, and for what is trending

logger = logging.getLogger(__name__)


class NotReady(Unavailable):
    """No encoder was chosen yet, so there is no space to search in."""


class Replica:
    """Holds the view and moves it forward. Only its own thread, or a test, calls `tail`."""

    def __init__(self) -> None:
        self.view: View | None = None
        self.degraded: frozenset[str] = frozenset()
        self._lag_noted_at = -math.inf
        self._failing: set[str] = set()  # steps that did not work when they were last tried
        self._models = ModelWatch(model_store)
        self._rankers = ModelWatch(ranker_store)
        self._looked_at: tuple[str, int] = ("", 0)  # encoder and generation, adopted or found damaged
        self._pid: int | None = None
        self._starting = threading.Lock()

    def start(self) -> None:
        """Load the view and start its thread, once in each process."""
        with self._starting:
            if self._pid == os.getpid():
                return
            self._try(self.look_around)
            self._pid = os.getpid()
            threading.Thread(target=self._run, name="replica", daemon=True).start()

    def _run(self) -> None:
        looked_at = 0.0
        while True:
            time.sleep(TAIL_EVERY_S)
            self._try(self.tail)
            if time.monotonic() - looked_at > LOOK_AROUND_EVERY_S:
                self._try(self.look_around)
                looked_at = time.monotonic()

    def _try(self, step: Callable[[], None]) -> None:
        """A reader outlives whatever goes wrong: it serves on, says so, and tries again at the next turn."""
        try:
            step()
            self._failing.discard(step.__name__)
        except Exception as error:
            if step.__name__ not in self._failing:  # said once, not at each turn until it heals
                logger.exception("The view of the catalogue stays as it is for now")
            self._failing.add(step.__name__)
            if isinstance(error, Error):
                connection.close()
        catalogue = {"catalogue"}
        self.degraded = self.degraded | catalogue if self._failing else self.degraded - catalogue

    def tail(self) -> None:
        """Apply what was committed since the last turn; reload when the log was pruned past this view."""
        if self.view is None:
            return
        news = changes.changed_since(self.view.seq)
        if not news:
            return
        if changes.is_pruned_past(self.view.seq):
            self.view = load(encoders.active(), self.view)
            return
        self.view = apply(self.view, news)

    def look_around(self) -> None:
        """Adopt a new encoder, a new generation, a new model, and what is trending now."""
        model = encoders.active()
        if model is None:
            return
        newest = (model.version, generations.newest_number(model.version))
        if self.view is None or newest != self._looked_at:
            self.view = load(model, self.view)
            self._looked_at = newest
        self._take_models()
        self._take_trending()
        if time.monotonic() - self._lag_noted_at > NOTE_LAG_EVERY_S:
            self._note_lag()
            self._lag_noted_at = time.monotonic()

    def _take_models(self) -> None:
        model, ranker = self._models.look(), self._rankers.look()
        if model is not self.view.collaborative:
            self.view = self.view.with_collaborative(model)
        if ranker is not self.view.ranker:
            self.view = self.view.with_ranker(ranker)
        watches = {"collaborative": self._models, "ranker": self._rankers}
        missing = {name for name, watch in watches.items() if watch.is_missing}
        missing |= {"ranker"} if ranker is None and ranker_store.was_refused() else set()
        self.degraded = self.degraded - watches.keys() | missing

    def _take_trending(self) -> None:
        """Redis holds what is trending and is the broker, too: without it, background work waits.

        It waits for one that is full as well, which still tells what is trending.
        """
        both = {"trending", "broker"}
        try:
            self.view = self.view.with_trending(*trending.top())
            lost = set() if trending.is_writable() else {"broker"}
        except RedisError:
            lost = both
        self.degraded = self.degraded - both | lost

    def _note_lag(self) -> None:
        is_late = lag.is_embedding_late(self.view.encoder_version, now=timezone.now())
        late = {"embedding"} if is_late else set()
        self.degraded = self.degraded - {"embedding"} | late


_replica = Replica()


def start() -> None:
    """Begin to follow the catalogue in this process."""
    _replica.start()


def view() -> View:
    """What this process knows now. Raises NotReady before the first encoder was chosen."""
    if _replica._pid != os.getpid():
        _replica.start()
    if _replica.view is None:
        raise NotReady("No listing was embedded yet: run `manage.py embed`.")
    return _replica.view


def degraded() -> list[str]:
    """The sources that cannot be asked just now."""
    return sorted(_replica.degraded)


def load(model: TrainedModel, current: View | None = None, *, generation: Generation | None = None) -> View:
    """The view from a generation (the newest, unless one is given) and what came after, or from the tables.

    The models and what is trending are carried over from the current view.
    """
    fresh = _from_generation(model, generation or generations.newest(model.version)) or from_table(model)
    while news := changes.changed_since(fresh.seq):
        fresh = apply(fresh, news)
    if current is None:
        return fresh
    hot = np.flatnonzero(current.trending)
    fresh = fresh.with_trending(current.attributes["listing_id"][hot], current.trending[hot])
    return fresh.with_collaborative(current.collaborative).with_ranker(current.ranker)


def _from_generation(model: TrainedModel, generation: Generation | None) -> View | None:
    if generation is None or changes.is_pruned_past(generation.seq):
        return None
    blocks = encoders.blocks_of(model)
    return View.load(
        model.version,
        blocks,
        generation.columns,
        generation.index,
        generation.seq,
        generation.number,
        photo_index=generation.photo_index,
    )


def from_table(model: TrainedModel) -> View:
    """The view built from nothing.

    The position is read before the rows: what commits in between is applied once more, which changes nothing.
    """
    blocks = encoders.blocks_of(model)
    seq = changes.last_seq()
    columns = read_live(model.version, blocks)
    index, photo_index = generations.indexes_of(columns, blocks)
    return View.load(model.version, blocks, columns, index, seq, photo_index=photo_index)


def apply(view: View, news: list[tuple[int, int]]) -> View:
    """The view after these (seq, listing id): the log says what changed, the tables how it is now."""
    listing_ids = np.unique(np.array([pk for _, pk in news], dtype=np.int64))
    live = read_live(view.encoder_version, view.comparison.blocks, listing_ids.tolist())
    return view.with_changes(listing_ids, live, seq=news[-1][0])
