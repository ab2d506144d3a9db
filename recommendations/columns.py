"""Live listings as columns: what a serving process knows of each row, and how it is read."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from django.db.models import QuerySet

from listings.models import Listing
from listings.serializers import COORDINATE_DIGITS
from ml.arrays import Matrix, Rows
from ml.blocks import Blocks

ATTRIBUTES = np.dtype(
    [
        ("listing_id", np.int64),
        ("seller_id", np.int64),
        ("category_id", np.int64),
        ("price_pence", np.int64),
        ("created_at", np.float64),  # seconds since 1970
        # As the API shows them, NaN when it has no place: whatever is told by distance tells no more.
        ("latitude", np.float32),
        ("longitude", np.float32),
        ("condition", np.int8),  # position in CONDITIONS
    ]
)
CONDITIONS: list[str] = list(Listing.Condition.values)
NO_LISTING = -1  # the listing_id of a row that is dead for good
CHUNK = 5000
STORED = ("vector", "photo_ids", "photo_vectors")
FIELDS = ("pk", "seller_id", "category_id", "price", "created_at", "latitude", "longitude", "condition")


@dataclass(frozen=True)
class Positions:
    """Where each id stands in an array of ids."""

    sorted_ids: np.ndarray  # (n,) int64
    order: np.ndarray  # (n,) int64: the position of each sorted id

    @classmethod
    def of(cls, ids: np.ndarray) -> "Positions":
        order = np.argsort(ids, kind="stable")
        return cls(ids[order], order)

    def find(self, ids: np.ndarray) -> Rows:
        """(m,) int64 -> (m,) int64, -1 for ids that are not there."""
        if not len(self.sorted_ids):
            return np.full(len(ids), -1)
        found = np.searchsorted(self.sorted_ids, ids).clip(max=len(self.sorted_ids) - 1)
        return np.where(self.sorted_ids[found] == ids, self.order[found], -1)


@dataclass(frozen=True)
class PhotoRows:
    """Photos of some rows, in the order of the rows.

    ids (p,) int64; owners (p,) int64, the row whose photo it is; vectors (p, d) float16.
    """

    ids: np.ndarray
    owners: Rows
    vectors: Matrix

    @classmethod
    def none(cls, dimension: int) -> "PhotoRows":
        nothing = np.empty(0, np.int64)
        return cls(nothing, nothing, np.empty((0, dimension), np.float16))

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, row: int) -> slice:
        """Where the photos of a row lie."""
        return slice(*np.searchsorted(self.owners, [row, row + 1]).tolist())


@dataclass(frozen=True)
class Columns:
    """Some rows: attributes (n,) ATTRIBUTES, vectors (n, d) float16, and their photos."""

    attributes: np.ndarray
    vectors: Matrix
    photos: PhotoRows

    def __len__(self) -> int:
        return len(self.attributes)

    def taken(self, chosen: np.ndarray) -> "Columns":
        """Some of the rows, with their photos.   chosen (n,) bool"""
        number = np.cumsum(chosen) - 1  # of each chosen row among the chosen
        kept = chosen[self.photos.owners]
        photos = PhotoRows(self.photos.ids[kept], number[self.photos.owners[kept]], self.photos.vectors[kept])
        return Columns(self.attributes[chosen], self.vectors[chosen], photos)


def joined(first: Columns, second: Columns) -> Columns:
    """The rows of both, in this order."""
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
    """Active listings that have a vector of this encoder, as of now; of these ids, or all of them."""
    live = _active(listing_ids).filter(embeddings__encoder_version=encoder_version)
    rows = list(live.values_list(*FIELDS, *(f"embeddings__{name}" for name in STORED)).iterator(CHUNK))
    return Columns(
        attributes_of(rows),
        vectors_from([row[-3] for row in rows], blocks.dimension),
        _photos_of(rows, blocks.photo_dimension),
    )


def vectors_from(stored: Iterable[bytes], dimension: int) -> Matrix:
    """Vectors as the tables keep them, little-endian float16, one below the other: (n, dimension) float16"""
    return np.frombuffer(b"".join(bytes(part) for part in stored), dtype="<f2").reshape(-1, dimension)


def _photos_of(rows: list[tuple], dimension: int) -> PhotoRows:
    counts = [len(row[-2]) for row in rows]
    return PhotoRows(
        np.fromiter((pk for row in rows for pk in row[-2]), np.int64, sum(counts)),
        np.repeat(np.arange(len(rows)), counts),
        vectors_from((row[-1] for row in rows), dimension),
    )


def _active(listing_ids: Iterable[int] | None) -> QuerySet[Listing]:
    active = Listing.objects.filter(status=Listing.Status.ACTIVE).order_by("pk")
    return active if listing_ids is None else active.filter(pk__in=list(listing_ids))


def attributes_of(rows: list[tuple]) -> np.ndarray:
    """(n,) ATTRIBUTES, of rows that begin with FIELDS."""
    return np.array([_row_of(*row[: len(FIELDS)]) for row in rows], dtype=ATTRIBUTES)


def _row_of(pk, seller_id, category_id, price, created_at, latitude, longitude, condition) -> tuple:
    return (
        *(pk, seller_id, category_id, int(price * 100), created_at.timestamp()),
        *(_as_shown(latitude), _as_shown(longitude), CONDITIONS.index(condition)),
    )


def _as_shown(degrees: float | None) -> float:
    return np.nan if degrees is None else round(degrees, COORDINATE_DIGITS)


def with_places_as_shown(attributes: np.ndarray) -> np.ndarray:
    """The same rows, (n,) ATTRIBUTES, written before coordinates were rounded perhaps."""
    rounded = attributes.copy()
    for name in ("latitude", "longitude"):
        rounded[name] = np.round(attributes[name], COORDINATE_DIGITS)
    return rounded
