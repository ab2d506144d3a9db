"""A model of one serving process: loaded beside the one that serves, then swapped in."""

import time
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from django.utils import timezone

from recommendations.model_folders import ModelDamaged
from recommendations.model_registry import clear_problem, note_problem
from recommendations.models import TrainedModel

TRY_AGAIN_AFTER_S = 30  # loading reads and checks every file: not each second


class Loaded(Protocol):
    """A model as a process holds it."""

    @property
    def digest(self) -> str:
        """The sha256 of the row that it was loaded from."""


Model = TypeVar("Model", bound=Loaded)


class Store(Protocol[Model]):
    """The models of one kind: modules such as model_store are ones."""

    def active(self) -> TrainedModel | None: ...

    def earlier(self) -> Iterable[TrainedModel]: ...

    def load(self, row: TrainedModel) -> Model:
        """Raises ModelDamaged."""


class ModelWatch(Generic[Model]):
    """Follows the registry. Only the process's own thread, or a test, calls `look`."""

    def __init__(self, store: Store[Model]) -> None:
        self.serving: Model | None = None
        self.is_missing = False  # there is a model, but none that can be loaded
        self._store = store
        self._failed: tuple[str, float] = ("", 0.0)  # digest of what could not be loaded, and when

    def look(self) -> Model | None:
        """The model that should serve now: the active one, or the one before while its files are damaged."""
        row = self._store.active()
        if row is None:
            self.serving = None
        elif not self._serves(row) and self._may_try(row):
            self._take(row)
        self.is_missing = row is not None and self.serving is None
        return self.serving

    def _serves(self, row: TrainedModel) -> bool:
        return self.serving is not None and self.serving.digest == row.sha256

    def _may_try(self, row: TrainedModel) -> bool:
        digest, at = self._failed
        return digest != row.sha256 or time.monotonic() - at > TRY_AGAIN_AFTER_S

    def _take(self, row: TrainedModel) -> None:
        try:
            self.serving = self._store.load(row)
            clear_problem(row)
        except ModelDamaged as error:
            if not self._is_still_active(row):
                return  # replaced while it was read: the next look finds the new files
            self._failed = (row.sha256, time.monotonic())
            note_problem(row, error, timezone.now())
            self.serving = self.serving or self._newest_whole()

    def _is_still_active(self, row: TrainedModel) -> bool:
        now = self._store.active()
        return now is not None and now.sha256 == row.sha256

    def _newest_whole(self) -> Model | None:
        """The model before the active one, for a process that has none in memory."""
        for row in self._store.earlier():
            try:
                return self._store.load(row)
            except ModelDamaged:
                continue
        return None
