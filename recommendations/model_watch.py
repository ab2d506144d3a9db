"""The collaborative model of one serving process: loaded beside the one that serves, then swapped in."""

import time

from django.utils import timezone

from recommendations import model_store
from recommendations.collaborative import Collaborative
from recommendations.model_folders import ModelDamaged
from recommendations.models import TrainedModel

TRY_AGAIN_AFTER_S = 30  # loading reads and checks every file: not each second


class ModelWatch:
    """Follows the registry. Only the process's own thread, or a test, calls `look`."""

    def __init__(self) -> None:
        self.serving: Collaborative | None = None
        self.is_missing = False  # there is a model, but none that can be loaded
        self._failed: tuple[str, float] = ("", 0.0)  # digest of what could not be loaded, and when

    def look(self) -> Collaborative | None:
        """The model that should serve now: the active one, or the one before while its files are damaged."""
        row = model_store.active()
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
            self.serving = model_store.load(row)
            model_store.clear_problem(row)
        except ModelDamaged as error:
            if not _is_still_active(row):
                return  # replaced while it was read: the next look finds the new files
            self._failed = (row.sha256, time.monotonic())
            model_store.note_problem(row, error, timezone.now())
            self.serving = self.serving or _newest_whole()


def _is_still_active(row: TrainedModel) -> bool:
    now = model_store.active()
    return now is not None and now.sha256 == row.sha256


def _newest_whole() -> Collaborative | None:
    """The model before the active one, for a process that has none in memory."""
    for row in model_store.earlier():
        try:
            return model_store.load(row)
        except ModelDamaged:
            continue
    return None
