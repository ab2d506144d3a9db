"""Fine-tune the backbone in use on the catalogue's own photos and categories."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from django.conf import settings

from listings.errors import Invalid
from recommendations import encoders
from recommendations.durable import sha256_of, sync
from recommendations.encoder_material import file_of, labelled_photos
from recommendations.encoder_records import EncoderRecord
from recommendations.encoder_training import alone
from recommendations.progress import Steps, unwatched_steps
from recommendations.scalars import scalars

if TYPE_CHECKING:
    from ml.epochs import Epoch
    from ml.finetuning import FineTuningOptions, FineTuningReport


class CannotFineTune(Invalid):
    """The photos or the weights do not allow it. Nothing has changed, but for a checkpoint to go on from."""


def finetune_backbone(
    options: "FineTuningOptions",
    *,
    now: datetime,
    steps: Steps = unwatched_steps,
    report: "Callable[[Epoch], None]" = lambda epoch: None,
    say: Callable[[str], None] = lambda line: None,
) -> EncoderRecord:
    """Fine-tune, and name the result as the backbone of an encoder that is yet to be trained.

    Listings that judge encoders choose the best epoch and are not learned from. A run that was broken off
    goes on where it was. Raises CannotFineTune, AlreadyTraining, EncoderUnavailable, OSError.
    """
    with alone():
        record = EncoderRecord.read(encoders.ensure_encoder(say))
        with steps("Fine-tuning the backbone") as progress, scalars("backbone", now) as write:
            done = _finetuned(record, options, progress=progress, report=_both(report, write), say=say)
        say(f"It tells the category of {done.best.accuracy:.1%} of the photos that it was not shown.")
        source = f"{record.backbone} fine-tuned here on {done.photo_count} photos"
        return replace(record, weights=str(_named_by_digest(done.path)), source=source)


def _finetuned(record: EncoderRecord, options: "FineTuningOptions", **watching) -> "FineTuningReport":
    """Weights that are not named yet. Raises CannotFineTune."""
    from ml.finetuning import DivergedError, finetune
    from ml.photos import UnreadablePhoto
    from ml.small_backbone import TooFewCategoriesError
    from ml.weights import BadBackbone, WeightsError

    folder = settings.MODEL_ROOT / "backbone"
    paths, roots, leaves, held_out = _lessons()
    try:
        return finetune(
            record.backbone,
            Path(record.weights),
            paths,
            roots,
            finer=leaves,
            validation=held_out,
            options=options,
            path=folder / "finetuned.training",
            checkpoint=folder / "finetuning.checkpoint",
            **watching,
        )
    except (TooFewCategoriesError, UnreadablePhoto, WeightsError, BadBackbone, DivergedError) as error:
        raise CannotFineTune(f"{error}. The backbone in service stays.") from None


def _lessons() -> tuple[list[Path], list[str], list[str], np.ndarray]:
    """Files of photos that are there, their root categories and full paths, and which of them judge."""
    known = [(file_of(photo), root, path, judges) for photo, root, path, judges in labelled_photos()]
    there = [row for row in known if row[0].is_file()]
    paths, roots, leaves, judges = (
        (list(column) for column in zip(*there, strict=True)) if there else ([],) * 4
    )
    return paths, roots, leaves, np.array(judges, bool)


def _both(report: Callable, write: Callable) -> Callable:
    def tell(epoch: "Epoch") -> None:
        report(epoch)
        write(epoch.number, {"loss": epoch.loss, "accuracy": epoch.accuracy})

    return tell


def _named_by_digest(aside: Path) -> Path:
    sync(aside)
    file = aside.with_name(f"finetuned-{sha256_of(aside)[:12]}.safetensors")
    aside.replace(file)
    sync(file.parent)
    return file
