"""What an encoder learns from: the catalogue's words, and features of its photos, as they are stored."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from django.db.models.functions import Coalesce

from listings import photos
from listings.errors import Invalid
from listings.models import Listing, Photo
from ml.arrays import Matrix, Rows
from ml.progress import Progress
from recommendations.loaded_encoder import Encoder
from recommendations.models import PhotoFeatures
from recommendations.stored_features import stored_features, stored_sentences

MOST_LISTINGS = 100_000  # the newest: more do not fit into memory, and older ones tell of another season
CHUNK = 64
HELD_OUT = 10  # one listing in so many is never learned from, so that encoders of all times can be compared


class DamagedPhoto(Invalid):
    """A stored photo cannot be decoded; the message names its file."""


@dataclass(frozen=True, eq=False)
class CatalogueMaterial:
    """n listings that were ever on the market, and their p photos, in the order of their ids."""

    listing_ids: np.ndarray  # (n,) int64
    titles: list[str]
    descriptions: list[str]
    roots: list[str]
    paths: list[str]
    held_out: np.ndarray  # (n,) bool
    features: Matrix  # (p, f) float16
    owners: Rows  # (p,) int64
    sentences: Matrix | None  # (n, s) float16

    def __len__(self) -> int:
        return len(self.titles)


def read_catalogue(encoder: Encoder, progress: Progress) -> CatalogueMaterial:
    """Read it with the features that this encoder takes; those that are missing are computed and stored.

    A photo whose file is gone teaches by the features that are stored of it, or not at all.
    Raises DamagedPhoto.
    """
    listings = _newest()
    features, owners, sentences = [], [], []
    for start in range(0, len(listings), CHUNK):
        chunk = listings[start : start + CHUNK]
        pictures = _legible(encoder, chunk)
        row_of = {listing.pk: row for row, listing in enumerate(chunk, start=start)}
        features.append(_features(encoder, pictures))
        owners += [row_of[photo.listing_id] for photo in pictures]
        sentences.append(stored_sentences(encoder, chunk))
        progress(start + len(chunk), len(listings))
    return CatalogueMaterial(
        listing_ids=np.array([listing.pk for listing in listings], np.int64),
        titles=[listing.title for listing in listings],
        descriptions=[listing.description for listing in listings],
        roots=[listing.root_path for listing in listings],
        paths=[listing.category.path for listing in listings],
        held_out=np.array([is_held_out(listing.external_id) for listing in listings], bool),
        features=np.concatenate(features)
        if features
        else np.empty((0, encoder.feature_dimension), np.float16),
        owners=np.array(owners, np.int64),
        sentences=np.concatenate(sentences) if encoder.text_encoder and sentences else None,
    )


def _legible(encoder: Encoder, listings: list[Listing]) -> list[Photo]:
    """Their photos, but for those that are neither on disk nor known by their features."""
    pictures = list(Photo.objects.filter(listing__in=listings).order_by("listing_id", "position"))
    gone = [photo.pk for photo in pictures if not file_of(photo).is_file()]
    stored = PhotoFeatures.objects.filter(photo__in=gone, backbone=encoder.backbone_version)
    lost = set(gone) - set(stored.values_list("photo_id", flat=True))
    return [photo for photo in pictures if photo.pk not in lost]


def _features(encoder: Encoder, pictures: list[Photo]) -> Matrix:
    from ml.photos import UnreadablePhoto

    try:
        return stored_features(encoder, pictures)
    except UnreadablePhoto as error:
        raise DamagedPhoto(f"{error}. Remove the photo or restore its file, then train again.") from None


def file_of(photo: Photo) -> Path:
    """The size that backbones look at."""
    return photos.path_of(photo.file.name, photos.Size.MEDIUM)


def is_held_out(external_id: str) -> bool:
    """Whether this listing judges encoders. It follows from the id alone, whatever else is there."""
    return int.from_bytes(hashlib.sha256(external_id.encode()).digest()[:8]) % HELD_OUT == 0


def labelled_photos() -> Iterator[tuple[Photo, str, str, bool]]:
    """Each photo of those listings, with root category and full path, and whether it judges."""
    listings = {listing.pk: listing for listing in _newest()}
    for photo in Photo.objects.filter(listing__in=listings).order_by("pk").iterator():
        listing = listings[photo.listing_id]
        yield photo, listing.root_path, listing.category.path, is_held_out(listing.external_id)


def _newest() -> list[Listing]:
    known = Listing.objects.exclude(status=Listing.Status.DRAFT).select_related("category")
    newest = known.annotate(root_path=Coalesce("category__root__path", "category__path")).order_by("-pk")[
        :MOST_LISTINGS
    ]
    return sorted(newest, key=lambda listing: listing.pk)
