"""Fine-tuning of the backbone in use on the catalogue's own photos and categories."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from django.conf import settings

from listings.errors import Invalid
from recommendations.core.files import fsync, sha256_of
from recommendations.core.progress import Steps, unwatched_steps
from recommendations.core.tensorboard import tensorboard_writer
from recommendations.encoders import selection
from recommendations.encoders.manifest import EncoderManifest
from recommendations.training.encoder import encoder_training_lock
from recommendations.training.encoder_dataset import file_of, labelled_photos

if TYPE_CHECKING:
    from ml.vision.classifier_training import FineTuningEpoch, FineTuningOptions
    from ml.vision.finetuning import FineTuningReport


class FineTuningRefused(Invalid):
    """The photos or the weights do not allow fine-tuning. Nothing has changed but the checkpoint."""


def finetune_backbone(
    options: "FineTuningOptions",
    *,
    now: datetime,
    steps: Steps = unwatched_steps,
    report: "Callable[[FineTuningEpoch], None]" = lambda epoch: None,
    say: Callable[[str], None] = lambda line: None,
) -> EncoderManifest:
    """Fine-tune the backbone; the result is the record of an encoder whose heads are yet to be trained.

    Held-out listings choose the best epoch and are not trained on. An interrupted run continues from its
    checkpoint. Raises FineTuningRefused, AlreadyTraining, EncoderUnavailable, OSError.
    """
    with encoder_training_lock():
        record = selection.requested_manifest(say)
        with steps("Fine-tuning the backbone") as progress, tensorboard_writer("backbone", now) as write:
            result = _finetuned(record, options, progress=progress, report=_both(report, write), say=say)
        say(f"Root category accuracy on held-out photos: {result.best.accuracy:.1%}.")
        source = f"{record.backbone} fine-tuned here on {result.photo_count} photos"
        return replace(record, weights=str(_named_by_digest(result.path)), source=source)


def _finetuned(record: EncoderManifest, options: "FineTuningOptions", **callbacks) -> "FineTuningReport":
    """Train into a temporary file.   Raises FineTuningRefused."""
    from ml.vision.classifier_training import DivergedError
    from ml.vision.finetuning import finetune
    from ml.vision.image_decoding import UnreadablePhoto
    from ml.vision.small_backbone import TooFewCategoriesError
    from ml.vision.weights import BadBackbone, WeightsError, WeightsUnavailable

    folder = settings.MODEL_ROOT / "backbone"
    paths, roots, leaves, held_out = _labelled_files()
    try:
        return finetune(
            record.backbone,
            record.weights_file,
            paths,
            roots,
            finer=leaves,
            validation=held_out,
            options=options,
            path=folder / "finetuned.training",
            checkpoint=folder / "finetuning.checkpoint",
            **callbacks,
        )
    except (
        TooFewCategoriesError,
        UnreadablePhoto,
        WeightsError,
        WeightsUnavailable,
        BadBackbone,
        DivergedError,
    ) as error:
        raise FineTuningRefused(f"{error}. The active backbone stays.") from None


def _labelled_files() -> tuple[list[Path], list[str], list[str], np.ndarray]:
    """Photo files that exist, with their root categories, category paths and whether they are held out."""
    rows = [(file_of(photo), root, path, is_out) for photo, root, path, is_out in labelled_photos()]
    existing = [row for row in rows if row[0].is_file()]
    paths, roots, leaves, held_out = (
        (list(column) for column in zip(*existing, strict=True)) if existing else ([],) * 4
    )
    return paths, roots, leaves, np.array(held_out, bool)


def _both(report: Callable, write: Callable) -> Callable:
    def report_and_write(epoch: "FineTuningEpoch") -> None:
        report(epoch)
        write(epoch.number, {"loss": epoch.loss, "accuracy": epoch.accuracy})

    return report_and_write


def _named_by_digest(aside: Path) -> Path:
    """Rename a finished file by its digest, so that a name always means the same weights."""
    fsync(aside)
    file = aside.with_name(f"finetuned-{sha256_of(aside)[:12]}.safetensors")
    aside.replace(file)
    fsync(file.parent)
    return file
