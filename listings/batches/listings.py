"""Upsert of many listings by external id in one transaction, with a result for each row."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from django.core.exceptions import ValidationError

from listings.announcing import catalogue_transaction
from listings.categories.tree import ensure_categories
from listings.errors import DomainError
from listings.models import Category, Listing, Place, Writer
from listings.photos.requests import RequestedPhoto, request_photos
from listings.services import apply_content, change_status, ensure_actors, is_stale
from listings.validation import check_title

Status = Listing.Status


@dataclass(frozen=True)
class ListingRow:
    """One listing as its source describes it.

    `status` None means active for a new listing, else unchanged. Fields in `left_out` are unchanged too; a
    new listing gets what the row holds for them.
    """

    external_id: str
    seller: str  # the actor's external id, made on first sight
    title: str
    category: str  # its path
    price: Decimal
    description: str = ""
    condition: str = Listing.Condition.UNKNOWN
    place: Place | None = None
    latitude: float | None = None
    longitude: float | None = None
    status: str | None = None
    source_version: int | None = None
    created_at: datetime | None = None
    photos: tuple[RequestedPhoto, ...] = ()  # fetched later by a worker
    left_out: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()  # what was read otherwise than it was written


class UpsertOutcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    STALE = "stale"
    REJECTED = "rejected"


@dataclass(frozen=True)
class RowResult:
    external_id: str
    outcome: UpsertOutcome
    reason: str = ""
    listing_id: int | None = None  # the primary key; None when rejected
    notes: tuple[str, ...] = ()  # what was taken otherwise than it was sent


def upsert_batch(
    *,
    rows: list[ListingRow],
    now: datetime,
    by: Writer = Writer.SERVICE,
    is_moving_sellers: bool = False,
) -> list[RowResult]:
    """Create or update each row's listing. New categories and sellers are created.

    A row that cannot be applied is rejected with a reason and does not affect the others. A row with an older
    source_version is stale and changes nothing. Of two rows with the same id, the second is rejected.
    is_moving_sellers: whether a listing of another seller becomes the row's seller's; else it is rejected.
    """
    with catalogue_transaction() as changes:
        batch = _Batch(rows, now, by, is_moving_sellers)
        results = [batch.apply(row) for row in rows]
        batch.write()
        request_photos(batch.named_photos(rows, results), now=now)
        changes.listing_ids.update(listing.pk for listing in batch.created + batch.updated)
    return [batch.with_key(result) for result in results]


class _Batch:
    """The rows' listings, locked, with their sellers and categories.

    Reads and writes take a few statements.
    """

    def __init__(self, rows: list[ListingRow], now: datetime, by: Writer, is_moving_sellers: bool):
        self.now, self.by, self.is_moving_sellers = now, by, is_moving_sellers
        self.sellers = ensure_actors({row.seller for row in rows})
        self.categories = ensure_categories({row.category for row in rows})
        self.listings = _lock_listings({row.external_id for row in rows})
        self.created: list[Listing] = []
        self.updated: list[Listing] = []
        self.applied_ids: set[str] = set()

    def apply(self, row: ListingRow) -> RowResult:
        try:
            stored = self.listings.get(row.external_id)
            notes = row.notes + _notes_on_time(row, stored, self.now)
            return RowResult(row.external_id, self._outcome(row), notes=notes)
        except DomainError as error:
            return RowResult(row.external_id, UpsertOutcome.REJECTED, error.detail)

    def _outcome(self, row: ListingRow) -> UpsertOutcome:
        category = self.categories[row.category]
        if isinstance(category, DomainError):
            raise category
        _refuse_title(row.title)
        if row.external_id in self.applied_ids:
            raise DomainError("The same external_id stands in this batch twice.")
        self.applied_ids.add(row.external_id)
        listing = self.listings.get(row.external_id)
        return self._create(row, category) if listing is None else self._update(listing, row, category)

    def _create(self, row: ListingRow, category: Category) -> UpsertOutcome:
        listing = Listing(
            external_id=row.external_id,
            seller=self.sellers[row.seller],
            is_unpublished=True,  # until a status says otherwise
            created_at=min(row.created_at or self.now, self.now),  # a date in the future would stay newest
            **_content(row, category),
        )
        self._set_status(listing, row.status or Status.ACTIVE)
        self.listings[row.external_id] = listing
        self.created.append(listing)
        return UpsertOutcome.CREATED

    def _update(self, listing: Listing, row: ListingRow, category: Category) -> UpsertOutcome:
        if is_stale(listing, row.source_version):
            return UpsertOutcome.STALE
        seller = self.sellers[row.seller]
        is_moved = listing.seller_id != seller.pk
        if is_moved and not self.is_moving_sellers:
            raise DomainError("The listing belongs to another seller.")
        status_changed = row.status is not None and self._set_status(listing, row.status)
        content = {name: value for name, value in _content(row, category).items() if name not in row.left_out}
        if not apply_content(listing, content) and not status_changed and not is_moved:
            return UpsertOutcome.UNCHANGED
        listing.seller = seller
        self.updated.append(listing)
        return UpsertOutcome.UPDATED

    def _set_status(self, listing: Listing, status: str) -> bool:
        if listing.status == Status.SOLD and listing.pk:
            if status != Status.SOLD:
                raise DomainError("The listing is sold and stays sold.")
            return False
        listing.sold_at = self.now if status == Status.SOLD else None
        return change_status(listing, status, self.by)

    def write(self) -> None:
        Listing.objects.bulk_create(self.created)
        for listing in self.updated:
            listing.updated_at = self.now
        Listing.objects.bulk_update(self.updated, _UPDATED_FIELDS, batch_size=200)

    def named_photos(
        self, rows: list[ListingRow], results: list[RowResult]
    ) -> dict[int, list[RequestedPhoto]]:
        """Photos to fetch by primary key of the listing, for the rows that were applied."""
        applied = {UpsertOutcome.CREATED, UpsertOutcome.UPDATED, UpsertOutcome.UNCHANGED}
        return {
            self.listings[row.external_id].pk: list(row.photos)
            for row, result in zip(rows, results, strict=True)
            if row.photos and result.outcome in applied
        }

    def with_key(self, result: RowResult) -> RowResult:
        listing = self.listings.get(result.external_id)
        if listing is None or result.outcome == UpsertOutcome.REJECTED:
            return result
        return replace(result, listing_id=listing.pk)


_UPDATED_FIELDS = [
    *("title", "description", "price", "condition", "category", "place", "latitude", "longitude"),
    *("seller", "status", "is_unpublished", "withdrawn_by", "sold_at"),
    *("content_version", "source_version", "updated_at"),
]


def _content(row: ListingRow, category: Category) -> dict[str, object]:
    content: dict[str, object] = {
        "title": row.title,
        "description": row.description,
        "price": row.price,
        "condition": row.condition,
        "category": category,
        "place": row.place,
        "latitude": row.latitude,
        "longitude": row.longitude,
    }
    if row.source_version is not None:
        content["source_version"] = row.source_version
    return content


def _notes_on_time(row: ListingRow, stored: Listing | None, now: datetime) -> tuple[str, ...]:
    if row.created_at is None:
        return ()
    if stored is not None:
        is_new = stored.created_at not in (row.created_at, now)
        return ("created_at: it stays as it was when the listing was new.",) if is_new else ()
    return ("created_at: it lies ahead, so now was taken.",) if row.created_at > now else ()


def _refuse_title(title: str) -> None:
    try:
        check_title(title)
    except ValidationError as error:
        raise DomainError(str(error.message)) from None


def _lock_listings(external_ids: set[str]) -> dict[str, Listing]:
    locked = Listing.objects.select_for_update(of=("self",), no_key=True).filter(external_id__in=external_ids)
    listings = locked.select_related("category", "place").order_by("pk")
    return {listing.external_id: listing for listing in listings}
