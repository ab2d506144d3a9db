"""Live listings as columns: the attributes, vectors and photos that a serving process holds of each row."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from django.db.models import QuerySet

from listings.api.serializers import COORDINATE_DIGITS
from listings.models import Listing
from ml.arrays import Matrix, Rows
from ml.encoder.blocks import Blocks
from recommendations.models.vector_format import CHUNK, decode_vectors

ATTRIBUTES = np.dtype(
    [
        ("listing_id", np.int64),
        ("seller_id", np.int64),
        ("category_id", np.int64),
        ("price_pence", np.int64),
        ("created_at", np.float64),  # seconds since 1970
        # Rounded as in the API, so that distances reveal nothing more exact. NaN without a place.
        ("latitude", np.float32),
        ("longitude", np.float32),
        ("condition", np.int8),  # position in CONDITIONS
    ]
)
CONDITIONS: list[str] = list(Listing.Condition.values)
NO_LISTING = -1  # the listing_id of a dead row
STORED = ("vector", "photo_ids", "photo_vectors")
FIELDS = ("pk", "seller_id", "category_id", "price", "created_at", "latitude", "longitude", "condition")


@dataclass(frozen=True)
class PhotoRows:
    """Photos of rows, in the order of the rows.

    ids (p,) int64; owners (p,) int64, the row of each photo; vectors (p, d) float16.
    """

    ids: np.ndarray
    owners: Rows
    vectors: Matrix

    @classmethod
    def none(cls, dimension: int) -> "PhotoRows":
        empty = np.empty(0, np.int64)
        return cls(empty, empty, np.empty((0, dimension), np.float16))

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, row: int) -> slice:
        """The slice that holds the photos of a row."""
        return slice(*np.searchsorted(self.owners, [row, row + 1]).tolist())


@dataclass(frozen=True)
class Columns:
    """Rows of listings: attributes (n,) ATTRIBUTES, vectors (n, d) float16, and their photos."""

    attributes: np.ndarray
    vectors: Matrix
    photos: PhotoRows

    @classmethod
    def none(cls, blocks: Blocks) -> "Columns":
        """No rows."""
        vectors = np.empty((0, blocks.dimension), np.float16)
        return cls(np.empty(0, ATTRIBUTES), vectors, PhotoRows.none(blocks.photo_dimension))

    def __len__(self) -> int:
        return len(self.attributes)

    def taken(self, chosen: np.ndarray) -> "Columns":
        """The chosen rows, with their photos.   chosen (n,) bool"""
        new_row = np.cumsum(chosen) - 1
        kept = chosen[self.photos.owners]
        photos = PhotoRows(
            self.photos.ids[kept], new_row[self.photos.owners[kept]], self.photos.vectors[kept]
        )
        return Columns(self.attributes[chosen], self.vectors[chosen], photos)


def concatenate_columns(first: Columns, second: Columns) -> Columns:
    """The rows of the first, then those of the second."""
    photos = PhotoRows(
        np.concatenate([first.photos.ids, second.photos.ids]),
        np.concatenate([first.photos.owners, second.photos.owners + len(first)]),
        np.concatenate([first.photos.vectors, second.photos.vectors]),
    )
    return Columns(
        np.concatenate([first.attributes, second.attributes]),
        np.concatenate([first.vectors, second.vectors]),
        photos,
    )


def read_live(encoder_version: str, blocks: Blocks, listing_ids: Iterable[int] | None = None) -> Columns:
    """Active listings that have a vector of this encoder, in the order of their ids.

    Reads those of `listing_ids`, or all of them.
    """
    live = _active(listing_ids).filter(embeddings__encoder_version=encoder_version)
    rows = list(live.values_list(*FIELDS, *(f"embeddings__{name}" for name in STORED)).iterator(CHUNK))
    return Columns(
        attributes_of(rows),
        decode_vectors([row[-3] for row in rows], blocks.dimension),
        _photos_of(rows, blocks.photo_dimension),
    )


def _photos_of(rows: list[tuple], dimension: int) -> PhotoRows:
    counts = [len(row[-2]) for row in rows]
    return PhotoRows(
        np.fromiter((pk for row in rows for pk in row[-2]), np.int64, sum(counts)),
        np.repeat(np.arange(len(rows)), counts),
        decode_vectors((row[-1] for row in rows), dimension),
    )


def _active(listing_ids: Iterable[int] | None) -> QuerySet[Listing]:
    active = Listing.objects.filter(status=Listing.Status.ACTIVE).order_by("pk")
    return active if listing_ids is None else active.filter(pk__in=list(listing_ids))


def attributes_of(rows: list[tuple]) -> np.ndarray:
    """Attributes of rows that begin with FIELDS: (n,) ATTRIBUTES"""
    return np.array([_row_of(*row[: len(FIELDS)]) for row in rows], dtype=ATTRIBUTES)


def _row_of(pk, seller_id, category_id, price, created_at, latitude, longitude, condition) -> tuple:
    return (
        *(pk, seller_id, category_id, int(price * 100), created_at.timestamp()),
        *(_as_shown(latitude), _as_shown(longitude), CONDITIONS.index(condition)),
    )


def _as_shown(degrees: float | None) -> float:
    return np.nan if degrees is None else round(degrees, COORDINATE_DIGITS)


def with_places_as_shown(attributes: np.ndarray) -> np.ndarray:
    """The rows with rounded coordinates, (n,) ATTRIBUTES. Older releases wrote them unrounded."""
    rounded = attributes.copy()
    for name in ("latitude", "longitude"):
        rounded[name] = np.round(attributes[name], COORDINATE_DIGITS)
    return rounded
