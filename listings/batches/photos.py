"""Upsert of many photos by external id in one transaction, with a result for each."""

from dataclasses import dataclass

from django.db.models import Count, F, Max
from django.utils import timezone

from listings.announcing import CatalogueChanges, catalogue_transaction
from listings.batches.listings import UpsertOutcome
from listings.models import Listing, Photo
from listings.photo_services import MAXIMUM_PHOTOS, hold_for_deletion, stored_photo
from listings.photos import processing


@dataclass(frozen=True)
class PhotoRow:
    """A photo that processing.receive() has verified, for the listing with this primary key."""

    listing_id: int
    external_id: str
    received: processing.ReceivedPhoto


@dataclass(frozen=True)
class PhotoResult:
    external_id: str
    outcome: UpsertOutcome
    reason: str = ""


def upsert_photos(*, rows: list[PhotoRow], dry_run: bool = False) -> list[PhotoResult]:
    """Append each photo to its listing, or replace the photo of the same external id.

    A photo with the stored bytes is unchanged. Rejected, without affecting the others: a photo whose id
    belongs to another listing, one beyond MAXIMUM_PHOTOS, and the second with the same id. Rows of one
    listing keep their order. A dry run returns the outcomes and writes nothing.
    """
    with catalogue_transaction() as changes:
        batch = _PhotoBatch(rows)
        results = [batch.apply(row) for row in rows]
        if not dry_run:
            batch.write(changes)
    return results


class _PhotoBatch:
    """The rows' listings, locked, with their photos. Reads and writes take a few statements."""

    def __init__(self, rows: list[PhotoRow]):
        listings = Listing.objects.filter(pk__in={row.listing_id for row in rows}).order_by("pk")
        self.listing_ids = {listing.pk for listing in listings.select_for_update(no_key=True).only("pk")}
        external_ids = {row.external_id for row in rows}
        self.stored = {
            photo.external_id: photo for photo in Photo.objects.filter(external_id__in=external_ids)
        }
        self.ends = _ends(self.listing_ids)
        self.applied_ids: set[str] = set()
        self.created: list[tuple[PhotoRow, int]] = []  # with their positions
        self.replaced: list[Photo] = []

    def apply(self, row: PhotoRow) -> PhotoResult:
        old = self.stored.get(row.external_id)
        if reason := self._refusal(row, old):
            return PhotoResult(row.external_id, UpsertOutcome.REJECTED, reason)
        self.applied_ids.add(row.external_id)
        if old is None:
            self.created.append((row, self._next_position(row.listing_id)))
            return PhotoResult(row.external_id, UpsertOutcome.CREATED)
        if old.sha256 == row.received.sha256:
            return PhotoResult(row.external_id, UpsertOutcome.UNCHANGED)
        # A new row, not a new file in the old row: data derived from the old picture are deleted with it.
        self.replaced.append(old)
        self.created.append((row, old.position))
        return PhotoResult(row.external_id, UpsertOutcome.UPDATED)

    def _refusal(self, row: PhotoRow, old: Photo | None) -> str:
        if row.external_id in self.applied_ids:
            return "the photo's id stands in this batch twice"
        if row.listing_id not in self.listing_ids:
            return "its listing is gone"
        if old is not None and old.listing_id != row.listing_id:
            return "another listing has a photo with this id"
        full = old is None and self.ends.get(row.listing_id, (0, 0))[0] >= MAXIMUM_PHOTOS
        return f"a listing has at most {MAXIMUM_PHOTOS} photos" if full else ""

    def _next_position(self, listing_id: int) -> int:
        count, position = self.ends.get(listing_id, (0, 0))
        self.ends[listing_id] = (count + 1, position + 1)
        return position

    def write(self, changes: CatalogueChanges) -> None:
        changes.dropped_files.extend(photo.file_name for photo in self.replaced)
        replaced = Photo.objects.filter(pk__in=[photo.pk for photo in self.replaced])
        hold_for_deletion(replaced)
        replaced.delete()
        Photo.objects.bulk_create(
            stored_photo(changes, row.listing_id, row.received, position, row.external_id)
            for row, position in self.created
        )
        changed_ids = {row.listing_id for row, _ in self.created}
        Listing.objects.filter(pk__in=changed_ids).update(
            content_version=F("content_version") + 1, updated_at=timezone.now()
        )
        changes.listing_ids.update(changed_ids)


def _ends(listing_ids: set[int]) -> dict[int, tuple[int, int]]:
    """Number of photos of each listing, and the position after the last one."""
    grouped = Photo.objects.filter(listing__in=listing_ids).order_by().values("listing_id")
    rows = grouped.annotate(count=Count("pk"), last=Max("position"))
    return {row["listing_id"]: (row["count"], row["last"] + 1) for row in rows}
