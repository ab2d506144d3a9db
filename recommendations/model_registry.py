"""The registry of trained models: one row of a kind is active, and switching it is publishing.

The files of a kind are written and read by a store of its own: model_store.py, ranker_store.py.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from listings.errors import DomainError
from recommendations import model_folders
from recommendations.model_folders import ModelDamaged
from recommendations.models import TrainedModel

Status = TrainedModel.Status
KEPT = 3  # models whose files stay: the active one and those to go back to
ROLLED_BACK = "rolled_back_at"  # in the metrics of a model that somebody left

logger = logging.getLogger(__name__)


class NoModelBefore(DomainError):
    """There is nothing to go back to."""


@dataclass(frozen=True)
class Registry:
    """The rows of one kind; their files lie in folders beneath one that is called as the kind."""

    kind: str

    def trainings(self) -> QuerySet[TrainedModel]:
        """All that were ever trained to an end, those that were refused too."""
        return TrainedModel.objects.filter(kind=self.kind)

    def active(self) -> TrainedModel | None:
        """The row of the model that should serve."""
        return self.trainings().filter(status=Status.ACTIVE).first()

    def earlier(self) -> QuerySet[TrainedModel]:
        """Models that served before and may serve again, newest first."""
        retired = self.trainings().filter(status=Status.RETIRED)
        return retired.exclude(Q(metrics__has_key=ROLLED_BACK) | Q(path="")).order_by("-pk")

    def reject(
        self, version: str, *, metrics: dict[str, Any], verdict: str, horizon: int | None = None
    ) -> TrainedModel:
        """Record a model that is not published; none of its files are kept."""
        return TrainedModel.objects.create(
            kind=self.kind,
            version=version,
            status=Status.REJECTED,
            metrics=metrics,
            verdict=verdict,
            horizon=horizon,
        )

    def rollback(self, require_whole: Callable[[TrainedModel], object], *, now: datetime) -> TrainedModel:
        """Make the model before the active one again, the newest whose files are whole.

        The one that is left is not gone back to. require_whole raises ModelDamaged for a row that cannot
        serve. Raises NoModelBefore; then nothing has changed.
        """
        for row in self.earlier():
            try:
                require_whole(row)
            except ModelDamaged as error:
                logger.error("%s cannot be gone back to: %s", row, error)
                continue
            return self._go_back_to(row, now)
        raise NoModelBefore(f"There is no earlier {self.kind} model whose files are whole.")

    @transaction.atomic
    def _go_back_to(self, row: TrainedModel, now: datetime) -> TrainedModel:
        self.leave(now=now)
        row.problem, row.problem_at = "", None
        return activate(row)

    @transaction.atomic
    def leave(self, *, now: datetime) -> TrainedModel | None:
        """Retire the active model, never to be gone back to; which one that was."""
        left = self.trainings().select_for_update().filter(status=Status.ACTIVE).first()
        if left is not None:
            left.metrics[ROLLED_BACK] = now.isoformat(timespec="seconds")
            left.status = Status.RETIRED
            left.save(update_fields=["metrics", "status"])
        return left

    def sweep(self) -> None:
        """Delete the files of all but the newest models, and what a training that broke off left behind.

        Rows stay, as the record of what was, without a path.
        """
        kept = [*self.trainings().filter(status=Status.ACTIVE), *self.earlier()[: KEPT - 1]]
        self.trainings().exclude(pk__in=[row.pk for row in kept]).update(path="")
        model_folders.sweep(self.kind, [row.path for row in kept])


@transaction.atomic
def activate(model: TrainedModel) -> TrainedModel:
    """Make this the one active model of its kind; the one before is retired."""
    active = TrainedModel.objects.filter(kind=model.kind, status=Status.ACTIVE)
    active.exclude(pk=model.pk).update(status=Status.RETIRED)
    model.status = Status.ACTIVE
    model.save()
    return model


def note_problem(row: TrainedModel, error: ModelDamaged, now: datetime) -> None:
    """Log that a model cannot be loaded and show it in the admin: once, however often it is found."""
    text = f"Cannot be loaded: {error}."
    same_files = TrainedModel.objects.filter(pk=row.pk, sha256=row.sha256)
    if same_files.exclude(problem=text).update(problem=text, problem_at=now):
        logger.error("The model %s cannot be loaded, serving goes on without it: %s", row, error)


def clear_problem(row: TrainedModel) -> None:
    """The model could be loaded."""
    if row.problem:
        TrainedModel.objects.filter(pk=row.pk).update(problem="", problem_at=None)
        logger.warning("The model %s can be loaded again", row)
