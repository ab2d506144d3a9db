"""What an encoder learns from: the catalogue's words, and features of its photos, as they are stored."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from django.db.models.functions import Coalesce

from listings.models import Listing, Photo
from ml.arrays import Matrix, Rows
from recommendations import embedding
from recommendations.loaded_encoder import Encoder

MOST_LISTINGS = 100_000  # the newest: more do not fit into memory, and older ones tell of another season
CHUNK = 64
HELD_OUT = 10  # one listing in so many is never learned from, so that encoders of all times can be compared

Progress = Callable[[int, int], None]


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
    """Read it with the features that this encoder takes; those that are missing are computed and stored."""
    listings = _newest()
    features, owners, sentences = [], [], []
    for start in range(0, len(listings), CHUNK):
        chunk = listings[start : start + CHUNK]
        pictures = list(Photo.objects.filter(listing__in=chunk).order_by("listing_id", "position"))
        row_of = {listing.pk: row for row, listing in enumerate(chunk, start=start)}
        features.append(embedding.stored_features(encoder, pictures))
        owners += [row_of[photo.listing_id] for photo in pictures]
        sentences.append(embedding.stored_sentences(encoder, chunk))
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
