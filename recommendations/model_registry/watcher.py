"""Watcher of the registry in a serving process: loads a new model beside the current one and swaps it in."""

import time
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from django.utils import timezone

from recommendations.model_registry.artifacts import ModelDamaged
from recommendations.model_registry.publication import clear_problem, record_problem
from recommendations.models.trained_models import TrainedModel

TRY_AGAIN_AFTER_S = 30  # loading reads and verifies every file, which is too slow for each poll


class Loaded(Protocol):
    """A model in the memory of a process."""

    @property
    def digest(self) -> str:
        """The sha256 of the row that it was loaded from."""


Model = TypeVar("Model", bound=Loaded)
ReadModel = TypeVar("ReadModel", bound=Loaded, covariant=True)


class Store(Protocol[ReadModel]):
    """The models of one kind. Modules such as collaborative.store implement it."""

    def active(self) -> TrainedModel | None: ...

    def earlier(self) -> Iterable[TrainedModel]: ...

    def load(self, row: TrainedModel) -> ReadModel:
        """Raises ModelDamaged."""


class ModelWatcher(Generic[Model]):
    """Follows the registry. Not thread-safe: only the process's own thread, or a test, calls `look`."""

    def __init__(self, store: Store[Model]) -> None:
        self.serving: Model | None = None
        self.is_missing = False  # a model is active, but none can be loaded
        self._store = store
        self._failed: tuple[str, float] = ("", 0.0)  # digest of the last failed load, and its time

    def look(self) -> Model | None:
        """The model to serve: the active one, or the previous one while the active one is damaged."""
        row = self._store.active()
        if row is None:
            self.serving = None
        elif not self._serves(row) and self._may_retry(row):
            self._load(row)
        self.is_missing = row is not None and self.serving is None
        return self.serving

    def _serves(self, row: TrainedModel) -> bool:
        return self.serving is not None and self.serving.digest == row.sha256

    def _may_retry(self, row: TrainedModel) -> bool:
        digest, at = self._failed
        return digest != row.sha256 or time.monotonic() - at > TRY_AGAIN_AFTER_S

    def _load(self, row: TrainedModel) -> None:
        try:
            self.serving = self._store.load(row)
            clear_problem(row)
        except ModelDamaged as error:
            if not self._is_still_active(row):
                return  # replaced while it was being read; the next look finds the new files
            self._failed = (row.sha256, time.monotonic())
            record_problem(row, error, timezone.now())
            self.serving = self.serving or self._newest_intact()

    def _is_still_active(self, row: TrainedModel) -> bool:
        active = self._store.active()
        return active is not None and active.sha256 == row.sha256

    def _newest_intact(self) -> Model | None:
        """The newest earlier model that can be loaded, for a process that has none in memory."""
        for row in self._store.earlier():
            try:
                return self._store.load(row)
            except ModelDamaged:
                continue
        return None
