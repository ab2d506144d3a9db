"""Services that change the photos of a listing, used by the API, the admin, batches and erasure."""

import logging

from django.db.models import Max, QuerySet

from listings.announcing import CatalogueChanges, catalogue_transaction
from listings.errors import Invalid, Unavailable
from listings.models import Listing, Photo, Writer, new_external_id
from listings.photos import processing
from listings.services import lock_listing, refuse_sold

MAXIMUM_PHOTOS = 20

logger = logging.getLogger(__name__)


class PhotoNotStored(Unavailable):
    """The photo could not be written: the disk is full or missing."""

    def __init__(self) -> None:
        super().__init__("Photos cannot be stored just now.", field="photo")


def add_photo(
    *,
    listing: Listing,
    received: processing.ReceivedPhoto,
    external_id: str | None = None,
    by: Writer = Writer.OWNER,
) -> Photo:
    """Append a photo as verified and re-encoded by processing.receive(). The same bytes again add nothing.

    Returns the photo that is there then: its sender did not see the first answer.

    Raises Invalid, PhotoNotStored, and NotForSale for the owner of what is sold.
    """
    with catalogue_transaction() as changes:
        listing = lock_listing(listing)
        refuse_sold(listing, by)
        if external_id is None and (same := listing.photos.filter(sha256=received.sha256).first()):
            return same
        if listing.photos.count() >= MAXIMUM_PHOTOS:
            raise Invalid(f"A listing has at most {MAXIMUM_PHOTOS} photos.", field="photo")
        photo = stored_photo(changes, listing.pk, received, _next_position(listing), external_id)
        photo.save(force_insert=True)
        _photos_changed(listing, changes.listing_ids)
    return photo


def stored_photo(
    changes: CatalogueChanges,
    listing_id: int,
    received: processing.ReceivedPhoto,
    position: int,
    external_id: str | None = None,
) -> Photo:
    """Write a photo's files and return its unsaved row. The files are deleted if the transaction fails.

    Raises PhotoNotStored.
    """
    try:
        name = processing.store(received)
    except OSError as error:
        logger.error(
            "A photo could not be written and its upload was refused. Check the disk under VAR: %s",
            error,
        )
        raise PhotoNotStored from error
    changes.stored_files.append(name)
    return Photo(
        listing_id=listing_id,
        external_id=external_id or new_external_id(),
        position=position,
        file=name,
        sha256=received.sha256,
        perceptual_hash=received.perceptual_hash,
        width=received.width,
        height=received.height,
    )


def remove_photo(*, photo: Photo) -> None:
    """Delete a photo with its files. Safe to repeat."""
    with catalogue_transaction() as changes:
        listing = lock_listing(photo.listing)
        if hold_for_deletion(Photo.objects.filter(pk=photo.pk)):
            changes.dropped_files.append(photo.file_name)
            photo.delete()
            _photos_changed(listing, changes.listing_ids)


def hold_for_deletion(photos: QuerySet[Photo]) -> list[int]:
    """Lock photos so that nothing can be stored of them meanwhile. Returns the ids of those that exist.

    Workers store what they computed from a photo at any time. Without the lock they might do so between the
    deletion of such rows and that of the photo, which would then fail.
    """
    return list(photos.select_for_update().order_by("pk").values_list("pk", flat=True))


def _photos_changed(listing: Listing, changed_ids: set[int]) -> None:
    listing.content_version += 1
    listing.save(update_fields=["content_version", "updated_at"])
    changed_ids.add(listing.pk)


def _next_position(listing: Listing) -> int:
    last = listing.photos.aggregate(last=Max("position"))["last"]
    return 0 if last is None else last + 1
