"""Registry of trained models. One row of each kind is active; publishing a model switches to its row.

Each kind has a store of its own, which writes and reads the model's files.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from listings.errors import DomainError
from recommendations.model_registry import artifacts
from recommendations.model_registry.artifacts import ModelDamaged
from recommendations.models.trained_models import TrainedModel

Status = TrainedModel.Status
KEPT_MODEL_COUNT = 3  # models whose files are kept: the active one and those that a rollback can return to
ROLLED_BACK = "rolled_back_at"  # key in the metrics of a model that was left by a rollback

logger = logging.getLogger(__name__)


class NoEarlierModel(DomainError):
    """There is no earlier model that a rollback could return to."""


@dataclass(frozen=True)
class Registry:
    """The rows of one kind. Their files are in folders below a folder named after the kind."""

    kind: str

    def trainings(self) -> QuerySet[TrainedModel]:
        """The rows of all finished trainings, rejected ones too."""
        return TrainedModel.objects.filter(kind=self.kind)

    def active(self) -> TrainedModel | None:
        """The row of the model that should serve, None without one."""
        return self.trainings().filter(status=Status.ACTIVE).first()

    def earlier(self) -> QuerySet[TrainedModel]:
        """Rows that a rollback can return to, newest first."""
        retired = self.trainings().filter(status=Status.RETIRED)
        return retired.exclude(Q(metrics__has_key=ROLLED_BACK) | Q(path="")).order_by("-pk")

    def reject(
        self, version: str, *, metrics: dict[str, Any], verdict: str, horizon: int | None = None
    ) -> TrainedModel:
        """Record a model that is not published. None of its files are kept."""
        return TrainedModel.objects.create(
            kind=self.kind,
            version=version,
            status=Status.REJECTED,
            metrics=metrics,
            verdict=verdict,
            horizon=horizon,
        )

    def rollback(self, require_intact: Callable[[TrainedModel], object], *, now: datetime) -> TrainedModel:
        """Activate the newest earlier model whose files are intact. No rollback returns to the one left.

        require_intact: raises ModelDamaged for a row whose files are damaged.
        Raises NoEarlierModel; then nothing has changed.
        """
        for row in self.earlier():
            try:
                require_intact(row)
            except ModelDamaged as error:
                logger.error(
                    "The rollback skips %s, because its files are damaged, and tries the model before it. "
                    "Cause: %s",
                    row,
                    error,
                )
                continue
            return self._return_to(row, now)
        raise NoEarlierModel(
            f"There is no earlier {self.kind} model with intact files; the active one stays."
        )

    @transaction.atomic
    def _return_to(self, row: TrainedModel, now: datetime) -> TrainedModel:
        self.retire_active(now=now)
        row.problem, row.problem_at = "", None
        return activate(row)

    @transaction.atomic
    def retire_active(self, *, now: datetime) -> TrainedModel | None:
        """Retire the active model so that no rollback returns to it. Returns it, None if there was none."""
        left = self.trainings().select_for_update().filter(status=Status.ACTIVE).first()
        if left is not None:
            left.metrics[ROLLED_BACK] = now.isoformat(timespec="seconds")
            left.status = Status.RETIRED
            left.save(update_fields=["metrics", "status"])
        return left

    def sweep(self) -> None:
        """Delete files of all but the KEPT_MODEL_COUNT newest models, and leftovers of broken-off trainings.

        The rows stay as a record, without a path.
        """
        kept = [*self.trainings().filter(status=Status.ACTIVE), *self.earlier()[: KEPT_MODEL_COUNT - 1]]
        self.trainings().exclude(pk__in=[row.pk for row in kept]).update(path="")
        artifacts.sweep(self.kind, [row.path for row in kept])


@transaction.atomic
def activate(model: TrainedModel) -> TrainedModel:
    """Make this the active model of its kind and retire the previous one."""
    active = TrainedModel.objects.filter(kind=model.kind, status=Status.ACTIVE)
    active.exclude(pk=model.pk).update(status=Status.RETIRED)
    model.status = Status.ACTIVE
    model.save()
    return model


def record_problem(row: TrainedModel, error: ModelDamaged, now: datetime) -> None:
    """Record for the admin that a model cannot be loaded. Logged once per problem, not at each attempt."""
    text = f"Cannot be loaded: {error}."
    same_files = TrainedModel.objects.filter(pk=row.pk, sha256=row.sha256)
    if same_files.exclude(problem=text).update(problem=text, problem_at=now):
        logger.error(
            "The model %s cannot be loaded, serving goes on without it. Restore its files, train again or "
            "roll back. Cause: %s",
            row,
            error,
        )


def clear_problem(row: TrainedModel) -> None:
    """Remove the recorded problem of a model that could be loaded."""
    if row.problem:
        TrainedModel.objects.filter(pk=row.pk).update(problem="", problem_at=None)
        logger.warning("The model %s can be loaded again", row)
