"""The registry of collaborative models and their files: one row is active, and switching it is publishing."""

import logging
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from listings.errors import DomainError
from ml.als import AlsModel
from ml.content_prior import ContentPrior, ContentSmoother
from ml.covisitation import Neighbours
from ml.model_files import ModelFileError
from ml.vector_index import IndexFileError, load_index
from recommendations import counted, model_folders
from recommendations.collaborative import Collaborative
from recommendations.counted import Counted
from recommendations.model_folders import ModelDamaged
from recommendations.models import TrainedModel
from recommendations.recipe import Recipe

KIND, Status = TrainedModel.Kind.COLLABORATIVE, TrainedModel.Status
KEPT = 3  # models whose files stay: the active one and those to go back to
ROLLED_BACK = "rolled_back_at"  # in the metrics of a model that somebody left

logger = logging.getLogger(__name__)


class NoModelBefore(DomainError):
    """There is nothing to go back to."""


def publish(
    model: Collaborative, made_of: Counted, *, horizon: int, metrics: dict[str, Any], verdict: str
) -> TrainedModel:
    """Write the model's files and switch the one active row to it. Raises OSError; then nothing has changed.

    horizon: the transactions that were read. The files of the model before stay.
    """
    path = f"{KIND}/{model.version}"
    digest = _write(path, model, made_of, horizon)
    row = TrainedModel(
        kind=KIND,
        version=model.version,
        metrics=metrics,
        path=path,
        sha256=digest,
        verdict=verdict,
        horizon=horizon,
    )
    published = activate(row)
    sweep()
    return published


def switch_files(
    row: TrainedModel, model: Collaborative, made_of: Counted, *, horizon: int, metrics: dict[str, Any]
) -> bool:
    """Give the active row the files of the same model brought up to date; whether it still was to have them.

    It was not if another model was published, or somebody rolled back, in the meantime. Raises OSError.
    """
    count = int(row.metrics.get("refresh_count", 0)) + 1
    path = f"{KIND}/{row.version}.{count}-{secrets.token_hex(4)}"  # whatever an attempt that broke off left
    digest = _write(path, model, made_of, horizon)
    unchanged = TrainedModel.objects.filter(pk=row.pk, status=Status.ACTIVE, sha256=row.sha256)
    switched = bool(
        unchanged.update(
            path=path,
            sha256=digest,
            metrics=row.metrics | metrics | {"refresh_count": count},
            problem="",
            problem_at=None,
        )
    )
    model_folders.begin_grace(row.path if switched else path)
    return switched


def reject(version: str, *, horizon: int, metrics: dict[str, Any], verdict: str) -> TrainedModel:
    """Record a model that is not published; none of its files are kept."""
    return TrainedModel.objects.create(
        kind=KIND,
        version=version,
        status=Status.REJECTED,
        metrics=metrics,
        verdict=verdict,
        horizon=horizon,
    )


@transaction.atomic
def activate(model: TrainedModel) -> TrainedModel:
    """Make this the one active model of its kind; the one before is retired."""
    active = TrainedModel.objects.filter(kind=model.kind, status=Status.ACTIVE)
    active.exclude(pk=model.pk).update(status=Status.RETIRED)
    model.status = Status.ACTIVE
    model.save()
    return model


def rollback(*, now: datetime) -> TrainedModel:
    """Make the model before the active one again, the newest whose files are whole.

    The one that is left is not gone back to. Raises NoModelBefore; then nothing has changed.
    """
    for row in earlier():
        try:
            load(row)
            load_counted(row)
        except ModelDamaged as error:
            logger.error("%s cannot be gone back to: %s", row, error)
            continue
        return _go_back_to(row, now)
    raise NoModelBefore("There is no earlier collaborative model whose files are whole.")


@transaction.atomic
def _go_back_to(row: TrainedModel, now: datetime) -> TrainedModel:
    for left in trainings().select_for_update().filter(status=Status.ACTIVE):
        left.metrics[ROLLED_BACK] = now.isoformat(timespec="seconds")
        left.save(update_fields=["metrics"])
    row.problem, row.problem_at = "", None
    return activate(row)


def trainings() -> QuerySet[TrainedModel]:
    """All that were ever trained to an end, those that were refused too."""
    return TrainedModel.objects.filter(kind=KIND)


def active() -> TrainedModel | None:
    """The row of the model that should serve."""
    return trainings().filter(status=Status.ACTIVE).first()


def earlier() -> QuerySet[TrainedModel]:
    """Models that served before and may serve again, newest first."""
    retired = trainings().filter(status=Status.RETIRED)
    return retired.exclude(Q(metrics__has_key=ROLLED_BACK) | Q(path="")).order_by("-pk")


def sweep() -> None:
    """Delete the files of all but the newest models, and what a training that broke off left behind.

    Rows stay, as the record of what was, without a path.
    """
    kept = [*trainings().filter(status=Status.ACTIVE), *earlier()[: KEPT - 1]]
    trainings().exclude(pk__in=[row.pk for row in kept]).update(path="")
    model_folders.sweep(KIND, [row.path for row in kept])


def about(row: TrainedModel) -> dict[str, Any]:
    """What the model's files say of themselves: recipe, horizon, files.   Raises ModelDamaged."""
    return model_folders.read_about(row.path, row.sha256)


def load(row: TrainedModel) -> Collaborative:
    """The model of a row, its files checked.   Raises ModelDamaged."""
    said = about(row)
    names = set(said["files"]) - set(counted.FILES)  # serving does not read those
    folder = model_folders.check(row.path, said, sorted(names))
    try:
        return Collaborative(
            version=said["version"],
            recipe=Recipe.from_json(said["recipe"]),
            als=AlsModel.load(folder),
            neighbours=Neighbours.load(folder / "neighbours.npz"),
            # Not mapped: a file that is cut short under a map ends the process.
            index=load_index(folder / "items.faiss", share=False),
            prior=ContentPrior.load(folder / "prior.npz") if "prior.npz" in names else None,
            smoother=ContentSmoother.load(folder / "smoother.npz") if "smoother.npz" in names else None,
            encoder_version=said["encoder_version"],
            trained_until=datetime.fromisoformat(said["trained_until"]),
            digest=row.sha256,
        )
    except (ModelFileError, IndexFileError, OSError, KeyError, TypeError, ValueError) as error:
        raise ModelDamaged(f"{folder} cannot be read: {error}") from error


def load_counted(row: TrainedModel) -> Counted:
    """The raw counts of a row's model, their files checked.   Raises ModelDamaged."""
    folder = model_folders.check(row.path, about(row), counted.FILES)
    try:
        return Counted.load(folder)
    except (ModelFileError, OSError) as error:
        raise ModelDamaged(f"{folder} cannot be read: {error}") from error


def _write(path: str, model: Collaborative, made_of: Counted, horizon: int) -> str:
    said = {
        "version": model.version,
        "recipe": model.recipe.to_json(),
        "encoder_version": model.encoder_version,
        "trained_until": model.trained_until.isoformat(),
        "horizon": horizon,
    }

    def write(folder: Path) -> None:
        model.als.save(folder)
        model.neighbours.save(folder / "neighbours.npz")
        model.index.save(folder / "items.faiss")
        if model.prior:
            model.prior.save(folder / "prior.npz")
        if model.smoother:
            model.smoother.save(folder / "smoother.npz")
        made_of.save(folder)

    return model_folders.publish(path, said, write)


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
