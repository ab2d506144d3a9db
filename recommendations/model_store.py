"""The active models: noticed in the registry, loaded beside the ones that serve, then swapped in."""

import hashlib
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import transaction

from ml.als import AlsFileError, AlsModel
from ml.arrays import Rows, Vector
from ml.vector_index import IndexFileError, VectorIndex, build_index, load_index
from recommendations.columns import Positions
from recommendations.models import TrainedModel

SEED = 7
KEPT = 3  # models of a kind whose files stay, for going back
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Collaborative:
    """A trained ALS model, ready to be asked: its items are listings, sold ones included."""

    version: str
    model: AlsModel
    alpha: float  # confidence is 1 + alpha x weight (Hu, Koren & Volinsky 2008, eq. 3)
    index: VectorIndex  # over the item factors, to retrieve before scoring
    positions: Positions  # of listings among the items

    @classmethod
    def of(cls, version: str, model: AlsModel, alpha: float, index: VectorIndex) -> "Collaborative":
        return cls(version, model, alpha, index, Positions.of(model.listing_ids))

    def fold_in(self, items: Rows, weights: Vector) -> Vector:
        """Factors (k,) float32 of an actor who touched these items (m,), each once, with weights (m,) > 0."""
        return self.model.fold_in(items, 1 + self.alpha * weights)

    def items_of(self, listing_ids: np.ndarray) -> Rows:
        """(m,) int64 -> (m,) int64, -1 for listings that the model does not know."""
        return self.positions.find(listing_ids)


def publish_collaborative(model: AlsModel, version: str, metrics: dict) -> TrainedModel:
    """Write the model's files and switch the one active row to it."""
    folder = settings.MODEL_ROOT / TrainedModel.Kind.COLLABORATIVE / version
    folder.mkdir(parents=True)
    model.save(folder)
    build_index(model.item_factors, seed=SEED).save(folder / "items.faiss")
    published = activate(
        TrainedModel(
            kind=TrainedModel.Kind.COLLABORATIVE,
            version=version,
            metrics=metrics,
            path=str(folder.relative_to(settings.MODEL_ROOT)),
            sha256=digest_of(folder),
        )
    )
    _drop_old_files(TrainedModel.Kind.COLLABORATIVE)
    return published


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
    except (AlsFileError, IndexFileError, OSError) as error:
        logger.error("The model %s cannot be loaded, the one before serves on: %s", row, error)
        return current


def _load(row: TrainedModel) -> Collaborative:
    folder = settings.MODEL_ROOT / row.path
    if digest_of(folder) != row.sha256:
        raise AlsFileError(f"{folder} is not what was published")
    return Collaborative.of(
        row.version, AlsModel.load(folder), row.metrics["alpha"], load_index(folder / "items.faiss")
    )


def digest_of(folder: Path) -> str:
    """One sha256 over all files of a folder, by name."""
    total = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        total.update(file.name.encode())
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()
