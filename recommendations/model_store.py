"""The active models: noticed in the registry, loaded beside the ones that serve, then swapped in."""

import hashlib
import logging
import shutil
from pathlib import Path

from django.conf import settings
from django.db import transaction

from ml.als import AlsModel
from ml.content_prior import ContentPrior
from ml.covisitation import Counts, Neighbours
from ml.model_files import ModelFileError, read_settings, write_settings
from ml.vector_index import IndexFileError, load_index
from recommendations.collaborative import Collaborative
from recommendations.models import TrainedModel
from recommendations.recipe import Recipe

ABOUT, FORM = "model.json", "collaborative-1"
KEPT = 3  # models of a kind whose files stay, for going back
logger = logging.getLogger(__name__)


def publish_collaborative(model: Collaborative, counts: Counts, metrics: dict) -> TrainedModel:
    """Write the model's files and switch the one active row to it."""
    folder = settings.MODEL_ROOT / TrainedModel.Kind.COLLABORATIVE / model.version
    folder.mkdir(parents=True)
    save_collaborative(model, counts, folder)
    published = activate(
        TrainedModel(
            kind=TrainedModel.Kind.COLLABORATIVE,
            version=model.version,
            metrics=metrics,
            path=str(folder.relative_to(settings.MODEL_ROOT)),
            sha256=digest_of(folder),
        )
    )
    _drop_old_files(TrainedModel.Kind.COLLABORATIVE)
    return published


def save_collaborative(model: Collaborative, counts: Counts, folder: Path) -> None:
    """Write a model's files into a folder."""
    model.als.save(folder)
    model.neighbours.save(folder / "neighbours.npz")
    counts.save(folder / "counts.npz")
    model.index.save(folder / "items.faiss")
    if model.prior:
        model.prior.save(folder / "prior.npz")
    about = {
        "version": model.version,
        "recipe": model.recipe.to_json(),
        "encoder_version": model.encoder_version,
        "has_prior": model.prior is not None,
    }
    write_settings(folder / ABOUT, about, form=FORM)


def load_collaborative(folder: Path) -> Collaborative:
    """Read what `save_collaborative` wrote.   Raises ModelFileError, IndexFileError."""
    about = read_settings(folder / ABOUT, form=FORM)
    try:
        return Collaborative(
            version=about["version"],
            recipe=Recipe.from_json(about["recipe"]),
            als=AlsModel.load(folder),
            neighbours=Neighbours.load(folder / "neighbours.npz"),
            index=load_index(folder / "items.faiss"),
            prior=ContentPrior.load(folder / "prior.npz") if about["has_prior"] else None,
            encoder_version=about["encoder_version"],
        )
    except (KeyError, TypeError) as error:
        raise ModelFileError(f"{folder / ABOUT} cannot be read: {error}") from error


def _drop_old_files(kind: str) -> None:
    """Delete the files of all but the newest models of a kind; their rows stay, as the record of what was."""
    for model in TrainedModel.objects.filter(kind=kind).order_by("-pk")[KEPT:]:
        if model.status != TrainedModel.Status.ACTIVE:
            shutil.rmtree(settings.MODEL_ROOT / model.path, ignore_errors=True)


@transaction.atomic
def activate(model: TrainedModel) -> TrainedModel:
    """Make this the one active model of its kind; the one before is retired."""
    active = TrainedModel.objects.filter(kind=model.kind, status=TrainedModel.Status.ACTIVE)
    active.exclude(pk=model.pk).update(status=TrainedModel.Status.RETIRED)
    model.status = TrainedModel.Status.ACTIVE
    model.save()
    return model


def active_collaborative(current: Collaborative | None) -> Collaborative | None:
    """The model that should serve: `current` while it is the active one, or when a newer one is damaged."""
    row = TrainedModel.objects.filter(
        kind=TrainedModel.Kind.COLLABORATIVE, status=TrainedModel.Status.ACTIVE
    ).first()
    if row is None or (current is not None and current.version == row.version):
        return current if row else None
    try:
        return _load(row)
    except (ModelFileError, IndexFileError, OSError) as error:
        logger.error("The model %s cannot be loaded, the one before serves on: %s", row, error)
        return current


def _load(row: TrainedModel) -> Collaborative:
    folder = settings.MODEL_ROOT / row.path
    if digest_of(folder) != row.sha256:
        raise ModelFileError(f"{folder} is not what was published")
    return load_collaborative(folder)


def digest_of(folder: Path) -> str:
    """One sha256 over all files of a folder, by name."""
    total = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        total.update(file.name.encode())
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()
