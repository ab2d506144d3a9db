"""What can be done to a listing. The API, the admin, the importer and commands all come through here."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from listings import photos
from listings.announcing import Changes, announcing
from listings.errors import Conflict, Invalid, Missing, Unavailable
from listings.models import Actor, Category, Listing, Photo, new_external_id

# What an edit may set, and what of it an embedding is made of.
EDITABLE = frozenset(
    {
        *("title", "description", "price", "condition", "category"),
        *("place", "latitude", "longitude", "source_version"),
    }
)
EMBEDDED = frozenset({"title", "description"})
MAXIMUM_PHOTOS = 20

logger = logging.getLogger(__name__)


class NotForSale(Conflict):
    """The listing has left the market."""

    def __init__(self, listing: Listing):
        super().__init__(f"Listing {listing.external_id} is {listing.status}.")


class NoLongerThere(Missing):
    """Its seller was erased since it was loaded: what was meant for it must not come after that."""

    def __init__(self, listing: Listing):
        super().__init__(f"Listing {listing.external_id} is gone.")


class CannotStore(Unavailable):
    """The disk is full, or gone."""

    def __init__(self) -> None:
        super().__init__("Photos cannot be stored just now.", field="photo")


class NoSuchCategory(Invalid):
    """A person named a category that does not exist; services and the importer may make new ones."""

    def __init__(self, path: str):
        super().__init__(f"There is no category {path!r}.", field="category")


class Stale(Conflict):
    """The write carries an older source_version than the listing has; nothing was changed."""

    def __init__(self, listing: Listing):
        super().__init__(
            f"Listing {listing.external_id} is at source_version {listing.source_version}.",
            field="source_version",
        )


def ensure_category(path: str) -> Category:
    """The category with this path, made together with its parents when it is new."""
    # A slash without blanks belongs to a name, as in `Ham/Amateur Radios`.
    parts = [part.strip() for part in f" {path} ".split(Category.SEPARATOR)]
    if not all(parts):
        raise Invalid(f"{path!r} is not a category path such as 'Home / Garden'.", field="category")
    parent = None
    for depth in range(1, len(parts) + 1):
        parent, _ = Category.objects.get_or_create(
            path=Category.SEPARATOR.join(parts[:depth]),
            defaults={"parent": parent, "root": parent and (parent.root or parent)},
        )
    return parent


def ensure_actors(external_ids: set[str]) -> dict[str, Actor]:
    """The actors of these ids, made on first sight, in two queries however many there are."""
    Actor.objects.bulk_create(
        [Actor(external_id=name) for name in sorted(external_ids)], ignore_conflicts=True
    )
    return {actor.external_id: actor for actor in Actor.objects.filter(external_id__in=external_ids)}


def find_category(path: str) -> Category:
    """The category with this path. Raises NoSuchCategory."""
    try:
        return Category.objects.get(path=path)
    except Category.DoesNotExist:
        raise NoSuchCategory(path) from None


def create_listing(
    *,
    seller: Actor,
    now: datetime,
    external_id: str | None = None,
    status: str = Listing.Status.ACTIVE,
    **content: Any,
) -> Listing:
    """Put a new listing on the market, or keep it as a draft.

    Raises Conflict when the external id is taken.
    """
    if external_id is not None:
        content["external_id"] = external_id
    with announcing() as changes:
        listing = Listing(seller=seller, created_at=now, status=status, **content)
        _insert_once(listing)
        changes.listing_ids.add(listing.pk)
    return listing


def edit_listing(*, listing: Listing, **content: Any) -> Listing:
    """Change what a listing says. Raises Stale for a source_version that is older than the stored one.

    Without a source_version, or with None, the stored one stays.
    """
    if unknown := content.keys() - EDITABLE:
        raise Invalid(f"{', '.join(sorted(unknown))} cannot be edited.")
    if content.get("source_version") is None:
        content.pop("source_version", None)
    with announcing() as changes:
        listing = _locked(listing)
        _refuse_stale(listing, content.get("source_version"))
        if apply_content(listing, content):
            listing.save()
            changes.listing_ids.add(listing.pk)
    return listing


def apply_content(listing: Listing, content: dict[str, Any]) -> bool:
    """Set the fields that differ, unsaved; whether there were any. New words make a new content version."""
    changed = {name for name, value in content.items() if getattr(listing, name) != value}
    for name in changed:
        setattr(listing, name, content[name])
    listing.content_version += bool(changed & EMBEDDED)
    return bool(changed)


def publish(*, listing: Listing) -> Listing:
    """Put a draft or a withdrawn listing on the market."""
    return _move(listing, {Listing.Status.DRAFT, Listing.Status.WITHDRAWN}, Listing.Status.ACTIVE)


def reserve(*, listing: Listing) -> Listing:
    """Hold an active listing for somebody: it is not shown meanwhile."""
    return _move(listing, {Listing.Status.ACTIVE}, Listing.Status.RESERVED)


def release(*, listing: Listing) -> Listing:
    """Show a reserved listing again."""
    return _move(listing, {Listing.Status.RESERVED}, Listing.Status.ACTIVE)


def withdraw(*, listing: Listing) -> Listing:
    """Take an unsold listing off the market. Its row stays. Doing it twice is no mistake."""
    unsold = set(Listing.Status) - {Listing.Status.SOLD}
    return _move(listing, unsold, Listing.Status.WITHDRAWN)


def mark_sold(*, listing: Listing, buyer: Actor | None, now: datetime) -> Listing:
    """Take a listing off the market for good.

    Raises NotForSale when it is already sold or withdrawn: two buyers cannot both succeed.
    """

    def sell(listing: Listing) -> None:
        listing.sold_at, listing.buyer = now, buyer

    return _move(listing, set(Listing.ON_MARKET), Listing.Status.SOLD, sell)


def add_photo(*, listing: Listing, received: photos.ReceivedPhoto, external_id: str | None = None) -> Photo:
    """Append a photo that photos.receive() has verified and re-encoded. Raises Invalid, CannotStore."""
    with announcing() as changes:
        listing = _locked(listing)
        if listing.photos.count() >= MAXIMUM_PHOTOS:
            raise Invalid(f"A listing has at most {MAXIMUM_PHOTOS} photos.", field="photo")
        photo = stored_photo(changes, listing.pk, received, _next_position(listing), external_id)
        photo.save(force_insert=True)
        _photos_changed(listing, changes.listing_ids)
    return photo


def stored_photo(
    changes: Changes,
    listing_id: int,
    received: photos.ReceivedPhoto,
    position: int,
    external_id: str | None = None,
) -> Photo:
    """A photo whose files are written, its row not yet; a transaction that fails takes the files back.

    Raises CannotStore.
    """
    try:
        name = photos.store(received)
    except OSError as error:
        logger.error("A photo cannot be stored: %s", error)
        raise CannotStore from error
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
    """Drop a photo with its files."""
    with announcing() as changes:
        listing = _locked(photo.listing)
        changes.dropped_files.append(photo.file.name)
        photo.delete()
        _photos_changed(listing, changes.listing_ids)


def _photos_changed(listing: Listing, changed_ids: set[int]) -> None:
    listing.content_version += 1
    listing.save(update_fields=["content_version", "updated_at"])
    changed_ids.add(listing.pk)


def _next_position(listing: Listing) -> int:
    last = listing.photos.aggregate(last=Max("position"))["last"]
    return 0 if last is None else last + 1


def _locked(listing: Listing) -> Listing:
    """The row as it is now, locked against other edits, but not against rows that refer to it.

    Raises NoLongerThere.
    """
    now = Listing.objects.select_for_update(no_key=True).get(pk=listing.pk)
    if (now.external_id, now.seller_id) != (listing.external_id, listing.seller_id):
        raise NoLongerThere(listing)
    return now


def _refuse_stale(listing: Listing, source_version: int | None) -> None:
    if is_stale(listing, source_version):
        raise Stale(listing)


def is_stale(listing: Listing, source_version: int | None) -> bool:
    """Whether a write of this version is older than what the listing holds."""
    return (
        source_version is not None
        and listing.source_version is not None
        and source_version < listing.source_version
    )


def _move(
    listing: Listing,
    allowed: set[str],
    status: str,
    also: Callable[[Listing], None] = lambda listing: None,
) -> Listing:
    with announcing() as changes:
        listing = _locked(listing)
        if listing.status not in allowed:
            raise NotForSale(listing)
        listing.status = status
        also(listing)
        listing.save(update_fields=["status", "sold_at", "buyer", "updated_at"])
        changes.listing_ids.add(listing.pk)
    return listing


def _insert_once(listing: Listing) -> None:
    taken = Conflict(f"There is a listing {listing.external_id} already.", field="id")
    if Listing.objects.filter(external_id=listing.external_id).exists():
        raise taken
    try:
        with transaction.atomic():
            listing.save(force_insert=True)
    except IntegrityError as error:
        if "external_id" in str(error):
            raise taken from None
        raise
