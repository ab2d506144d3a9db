"""Live listings as columns: what a serving process knows of each row, and how it is read."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from django.db.models import QuerySet

from listings.models import Listing
from ml.arrays import Matrix, Rows

ATTRIBUTES = np.dtype(
    [
        ("listing_id", np.int64),
        ("seller_id", np.int64),
        ("category_id", np.int64),
        ("price_pence", np.int64),
        ("created_at", np.float64),  # seconds since 1970
        ("latitude", np.float32),  # NaN when it has no place
        ("longitude", np.float32),
        ("condition", np.int8),  # position in CONDITIONS
    ]
)
CONDITIONS: list[str] = list(Listing.Condition.values)
NO_LISTING = -1  # the listing_id of a row that is dead for good
CHUNK = 5000
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
class Columns:
    """Some rows: attributes (n,) ATTRIBUTES and vectors (n, d) float16."""

    attributes: np.ndarray
    vectors: Matrix

    def __len__(self) -> int:
        return len(self.attributes)


def joined(first: Columns, second: Columns) -> Columns:
    """The rows of both, in this order."""
    return Columns(
        np.concatenate([first.attributes, second.attributes]),
        np.concatenate([first.vectors, second.vectors]),
    )


def read_live(encoder_version: str, dimension: int, listing_ids: Iterable[int] | None = None) -> Columns:
    """Active listings that have a vector of this encoder, as of now; of these ids, or all of them."""
    live = _active(listing_ids).filter(embeddings__encoder_version=encoder_version)
    rows = list(live.values_list(*FIELDS, "embeddings__vector").iterator(chunk_size=CHUNK))
    vectors = np.frombuffer(b"".join(bytes(row[-1]) for row in rows), dtype="<f2").reshape(-1, dimension)
    return Columns(attributes_of(rows), vectors)


def _active(listing_ids: Iterable[int] | None) -> QuerySet[Listing]:
    active = Listing.objects.filter(status=Listing.Status.ACTIVE).order_by("pk")
    return active if listing_ids is None else active.filter(pk__in=list(listing_ids))


def attributes_of(rows: list[tuple]) -> np.ndarray:
    """(n,) ATTRIBUTES, of rows that begin with FIELDS."""
    return np.array([_row_of(*row[: len(FIELDS)]) for row in rows], dtype=ATTRIBUTES)


def _row_of(pk, seller_id, category_id, price, created_at, latitude, longitude, condition) -> tuple:
    return (
        *(pk, seller_id, category_id, int(price * 100), created_at.timestamp()),
        *(_or_nan(latitude), _or_nan(longitude), CONDITIONS.index(condition)),
    )


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
