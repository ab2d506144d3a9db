"""Training of a small backbone without pretrained weights, on the catalogue's photos and root categories."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db.models.functions import Coalesce
from filelock import FileLock, Timeout

from listings.errors import Invalid
from listings.models import Photo
from listings.photos.processing import MEDIUM, path_of
from recommendations.core.files import fsync, sha256_of
from recommendations.core.locks import AlreadyTraining
from recommendations.core.progress import progress_bar
from recommendations.encoders import selection
from recommendations.encoders.backbones import BackboneChoice
from recommendations.models.trained_models import TrainedModel
from recommendations.training.encoder_dataset import DamagedPhoto

DEFAULT_MINUTES = 5.0
ROUND_COUNT = 60  # epochs at most; with many photos the time limit comes first
LEAST_PHOTOS, LEAST_CATEGORIES = 200, 2
MOST_PHOTOS = 20_000  # that are looked up on disk; the training uses a part of them
SEED = 23


class TooFewPhotos(Invalid):
    """The catalogue has too few photos, or too few root categories with photos, to train on."""


@dataclass(frozen=True)
class LabelledPhotos:
    """Photo files, each with the root category of its listing."""

    paths: tuple[Path, ...]
    categories: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def category_count(self) -> int:
        return len(set(self.categories))


def train_backbone(
    *, minutes: float = DEFAULT_MINUTES, say: Callable[[str], None] = lambda line: None
) -> TrainedModel:
    """Train a small backbone on the catalogue and record an encoder with it as a candidate.

    Serving processes switch to the candidate once every listing is embedded with it. say: takes lines for the
    person who started the training. Raises TooFewPhotos, DamagedPhoto, AlreadyTraining, OSError; then nothing
    has changed.
    """
    with _alone():
        photos = read_photos()
        require_enough(photos)
        dataset = f"{len(photos)} photos of {photos.category_count} categories"
        say(f"Training on {dataset}, for {minutes:g} minutes at most.")
        choice, accuracy = _train(photos, minutes)
        say(f"Accuracy on the photos that it was trained on: {accuracy:.0%}.")
        return selection.propose(choice)


def read_photos() -> LabelledPhotos:
    """A sample of the catalogue's photos that exist on disk, of listings of any status."""
    rows = Photo.objects.order_by("pk").values_list(
        "file", Coalesce("listing__category__root__path", "listing__category__path")
    )
    labelled = [(path_of(name, MEDIUM), root) for name, root in _sample(list(rows)) if root]
    existing = [(path, root) for path, root in labelled if path.is_file()]
    return LabelledPhotos(tuple(path for path, _ in existing), tuple(root for _, root in existing))


def require_enough(photos: LabelledPhotos) -> None:
    """Raises TooFewPhotos with what to do."""
    if len(photos) < LEAST_PHOTOS or photos.category_count < LEAST_CATEGORIES:
        raise TooFewPhotos(
            f"There are {len(photos)} photos in {photos.category_count} root categories; a backbone needs at "
            f"least {LEAST_PHOTOS} in {LEAST_CATEGORIES}. Import more with `manage.py import_listings` or "
            "give pretrained weights in IMAGE_WEIGHTS. The active backbone stays."
        )


def _sample(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    chosen = np.random.default_rng(SEED).permutation(len(rows))[:MOST_PHOTOS]
    return [rows[i] for i in chosen]


def _train(photos: LabelledPhotos, minutes: float) -> tuple[BackboneChoice, float]:
    """The trained backbone, in a file named by its digest, and its accuracy on the training photos."""
    from ml.vision.image_decoding import UnreadablePhoto
    from ml.vision.small_backbone import NAME, train_small_backbone

    folder = settings.MODEL_ROOT / "backbone"
    aside = folder / "catalogue.training"
    try:
        with progress_bar("Training a backbone") as progress:
            report = train_small_backbone(
                photos.paths,
                photos.categories,
                aside,
                seconds=60 * minutes,
                seed=SEED,
                progress=progress,
                epoch_count=ROUND_COUNT,
            )
    except UnreadablePhoto as error:
        raise DamagedPhoto(f"{error}. Remove the photo or restore its file, then train again.") from None
    file = _named_by_digest(aside)
    source = f"{NAME} trained here on {report.photo_count} photos of the catalogue"
    return BackboneChoice(NAME, file, source), report.accuracy


def _named_by_digest(aside: Path) -> Path:
    """Rename a finished file by its digest, so that a name always means the same weights."""
    fsync(aside)
    file = aside.with_name(f"catalogue-{sha256_of(aside)[:12]}.safetensors")
    aside.replace(file)
    fsync(file.parent)
    return file


@contextmanager
def _alone() -> Iterator[None]:
    settings.MODEL_ROOT.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.MODEL_ROOT / "backbone.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise AlreadyTraining("Another process is training a backbone: wait until it ends.") from None
    try:
        yield
    finally:
        lock.release()
