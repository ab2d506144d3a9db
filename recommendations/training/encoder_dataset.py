"""Dataset for training encoders: texts of the catalogue, and stored features of its photos."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from django.db.models.functions import Coalesce

from listings.errors import Invalid
from listings.models import Listing, Photo
from listings.photos import processing
from ml.arrays import Matrix, Rows
from ml.progress import Progress
from recommendations.encoders.encoder import Encoder
from recommendations.encoders.feature_store import stored_features, stored_sentences
from recommendations.encoders.training_state import MOST_LISTINGS
from recommendations.models.embeddings import PhotoFeatures

CHUNK = 64
HELD_OUT = 10  # one listing in so many is held out of every training, so that all encoders can be compared


class DamagedPhoto(Invalid):
    """A stored photo cannot be decoded. The message names its file."""


@dataclass(frozen=True, eq=False)
class EncoderDataset:
    """n listings that were ever on the market, ordered by id, and their p photos, in that order."""

    listing_ids: np.ndarray  # (n,) int64
    titles: list[str]
    descriptions: list[str]
    roots: list[str]
    paths: list[str]
    held_out: np.ndarray  # (n,) bool
    features: Matrix  # (p, f) float16, of the photos
    owners: Rows  # (p,) int64, the listing of each photo, as a position
    sentences: Matrix | None  # (n, s) float16

    def __len__(self) -> int:
        return len(self.titles)


def read_dataset(encoder: Encoder, progress: Progress) -> EncoderDataset:
    """Read the catalogue with the features that this encoder takes. Missing features are computed and stored.

    A photo without a file is used by its stored features, and skipped if it has none.   Raises DamagedPhoto.
    """
    listings = _newest()
    features: list[Matrix] = []
    owners: list[int] = []
    sentences: list[Matrix] = []
    for start in range(0, len(listings), CHUNK):
        chunk = listings[start : start + CHUNK]
        usable_photos = _usable_photos(encoder, chunk)
        row_of = {listing.pk: row for row, listing in enumerate(chunk, start=start)}
        features.append(_features(encoder, usable_photos))
        owners += [row_of[photo.listing_id] for photo in usable_photos]
        if (of_chunk := stored_sentences(encoder, chunk)) is not None:
            sentences.append(of_chunk)
        progress(start + len(chunk), len(listings))
    return EncoderDataset(
        listing_ids=np.array([listing.pk for listing in listings], np.int64),
        titles=[listing.title for listing in listings],
        descriptions=[listing.description for listing in listings],
        roots=[_root(listing) for listing in listings],
        paths=[listing.category.path for listing in listings],
        held_out=np.array([is_held_out(listing.external_id) for listing in listings], bool),
        features=np.concatenate(features)
        if features
        else np.empty((0, encoder.feature_dimension), np.float16),
        owners=np.array(owners, np.int64),
        sentences=np.concatenate(sentences) if sentences else None,
    )


def _usable_photos(encoder: Encoder, listings: list[Listing]) -> list[Photo]:
    """Photos of these listings that have a file or stored features."""
    all_photos = list(Photo.objects.filter(listing__in=listings).order_by("listing_id", "position"))
    without_file = [photo.pk for photo in all_photos if not file_of(photo).is_file()]
    stored = PhotoFeatures.objects.filter(photo__in=without_file, backbone=encoder.backbone_version)
    unusable = set(without_file) - set(stored.values_list("photo_id", flat=True))
    return [photo for photo in all_photos if photo.pk not in unusable]


def _features(encoder: Encoder, usable_photos: list[Photo]) -> Matrix:
    from ml.vision.image_decoding import UnreadablePhoto

    try:
        return stored_features(encoder, usable_photos)
    except UnreadablePhoto as error:
        raise DamagedPhoto(f"{error}. Remove the photo or restore its file, then train again.") from None


def file_of(photo: Photo) -> Path:
    """The file of the photo in the size that backbones take."""
    return processing.path_of(photo.file_name, processing.Size.MEDIUM)


def is_held_out(external_id: str) -> bool:
    """Whether this listing is held out of training. The answer depends on its external id alone."""
    return int.from_bytes(hashlib.sha256(external_id.encode()).digest()[:8]) % HELD_OUT == 0


def labelled_photos() -> Iterator[tuple[Photo, str, str, bool]]:
    """Each photo of the newest listings, with its root category, category path and whether it is held out."""
    listings = {listing.pk: listing for listing in _newest()}
    for photo in Photo.objects.filter(listing__in=listings).order_by("pk").iterator():
        listing = listings[photo.listing_id]
        yield photo, _root(listing), listing.category.path, is_held_out(listing.external_id)


def _root(listing: Listing) -> str:
    return listing.root_path  # type: ignore[attr-defined]  # by _newest


def _newest() -> list[Listing]:
    published = Listing.objects.exclude(status=Listing.Status.DRAFT).select_related("category")
    with_roots = published.annotate(root_path=Coalesce("category__root__path", "category__path"))
    return sorted(with_roots.order_by("-pk")[:MOST_LISTINGS], key=lambda listing: listing.pk)
