"""Services that change listings, used by the API, the admin, the importer and commands."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from listings.announcing import catalogue_transaction
from listings.errors import Conflict, Forbidden, Invalid, Missing
from listings.models import Actor, Listing, Writer

# Fields that an edit may set, and those that the embedding depends on.
EDITABLE = frozenset(
    {
        *("title", "description", "price", "condition", "category"),
        *("place", "latitude", "longitude", "source_version"),
    }
)
EMBEDDED = frozenset({"title", "description"})


class NotForSale(Conflict):
    """The status of the listing does not allow the change."""

    def __init__(self, listing: Listing):
        super().__init__(f"Listing {listing.external_id} is {listing.status}.")


class WithdrawnByAnother(Forbidden):
    """Another kind of caller withdrew the listing, and only that kind puts it back."""

    def __init__(self, listing: Listing):
        who = {Writer.OWNER: "Its owner", Writer.SERVICE: "A service", Writer.STAFF: "Staff"}
        by = who[Writer(listing.withdrawn_by)]
        super().__init__(f"{by} withdrew listing {listing.external_id}, and nobody else may put it back.")


class ListingErased(Missing):
    """The seller was erased after the listing was loaded, so the write is refused."""

    def __init__(self, listing: Listing):
        super().__init__(f"Listing {listing.external_id} is gone.")


class StaleVersion(Conflict):
    """The write has an older source_version than the listing. Nothing was changed."""

    def __init__(self, listing: Listing):
        super().__init__(
            f"Listing {listing.external_id} is at source_version {listing.source_version}.",
            field="source_version",
        )


def ensure_actors(external_ids: set[str]) -> dict[str, Actor]:
    """The actors with these ids, created when new. Takes two queries for any number."""
    Actor.objects.bulk_create(
        [Actor(external_id=name) for name in sorted(external_ids)], ignore_conflicts=True
    )
    return {actor.external_id: actor for actor in Actor.objects.filter(external_id__in=external_ids)}


def create_listing(
    *,
    seller: Actor,
    now: datetime,
    external_id: str | None = None,
    status: str = Listing.Status.ACTIVE,
    **content: Any,
) -> Listing:
    """Create a listing with this status. Raises Conflict when the external id is taken."""
    if external_id is not None:
        content["external_id"] = external_id
    with catalogue_transaction() as changes:
        listing = Listing(seller=seller, created_at=now, status=status, **content)
        listing.is_unpublished = status not in Listing.PUBLIC
        _insert_once(listing)
        changes.listing_ids.add(listing.pk)
    return listing


def edit_listing(*, listing: Listing, by: Writer = Writer.OWNER, **content: Any) -> Listing:
    """Change fields of a listing. Raises Invalid, and StaleVersion for a source_version below the stored one.

    What is sold stays as it was sold: raises NotForSale for its owner.

    Without a source_version, or with None, the stored one stays.
    """
    if unknown := content.keys() - EDITABLE:
        raise Invalid(f"{', '.join(sorted(unknown))} cannot be edited.")
    if content.get("source_version") is None:
        content.pop("source_version", None)
    with catalogue_transaction() as changes:
        listing = lock_listing(listing)
        refuse_sold(listing, by)
        _refuse_stale(listing, content.get("source_version"))
        if apply_content(listing, content):
            listing.save()
            changes.listing_ids.add(listing.pk)
    return listing


def apply_content(listing: Listing, content: dict[str, Any]) -> bool:
    """Set the fields that differ, without saving.

    Returns whether any did. New text raises content_version.
    """
    changed = {name for name, value in content.items() if getattr(listing, name) != value}
    for name in changed:
        setattr(listing, name, content[name])
    listing.content_version += bool(changed & EMBEDDED)
    return bool(changed)


def move_to_seller(*, listing: Listing, seller: Actor) -> Listing:
    """Make the listing that of another seller."""
    with catalogue_transaction() as changes:
        listing = lock_listing(listing)
        if listing.seller_id != seller.pk:
            listing.seller = seller
            listing.save(update_fields=["seller", "updated_at"])
            changes.listing_ids.add(listing.pk)
    return listing


def change_status(listing: Listing, status: str, by: Writer) -> bool:
    """Set the status and who withdrew it, without saving. Returns whether either changed.

    A repeated withdrawal counts as that of the higher rank. Raises WithdrawnByAnother.
    """
    before = (listing.status, listing.withdrawn_by)
    if status == Listing.Status.WITHDRAWN:
        rank = ["", *Writer]
        was_by = listing.withdrawn_by if listing.status == status else ""
        listing.withdrawn_by = max(was_by, by, key=rank.index)
    else:
        if listing.status == Listing.Status.WITHDRAWN and listing.withdrawn_by not in ("", by):
            raise WithdrawnByAnother(listing)
        listing.withdrawn_by = ""
    listing.status = status
    listing.is_unpublished = listing.is_unpublished and status not in Listing.PUBLIC
    return (listing.status, listing.withdrawn_by) != before


def publish(*, listing: Listing, by: Writer = Writer.OWNER) -> Listing:
    """Put a draft or a withdrawn listing on the market. Raises WithdrawnByAnother."""
    return _move(listing, {Listing.Status.DRAFT, Listing.Status.WITHDRAWN}, Listing.Status.ACTIVE, by)


def reserve(*, listing: Listing, by: Writer = Writer.OWNER) -> Listing:
    """Hold an active listing for a buyer. Reserved listings are not shown."""
    return _move(listing, {Listing.Status.ACTIVE}, Listing.Status.RESERVED, by)


def release(*, listing: Listing, by: Writer = Writer.OWNER) -> Listing:
    """Show a reserved listing again."""
    return _move(listing, {Listing.Status.RESERVED}, Listing.Status.ACTIVE, by)


def withdraw(*, listing: Listing, by: Writer = Writer.OWNER) -> Listing:
    """Take an unsold listing off the market and keep who did. Its row stays. Safe to repeat."""
    unsold = set(Listing.Status) - {Listing.Status.SOLD}
    return _move(listing, unsold, Listing.Status.WITHDRAWN, by)


def mark_sold(*, listing: Listing, buyer: Actor | None, now: datetime) -> Listing:
    """Take a listing off the market for good.

    Raises NotForSale when it is already sold or withdrawn: two buyers cannot both succeed.
    """

    def sell(listing: Listing) -> None:
        listing.sold_at, listing.buyer = now, buyer

    return _move(listing, set(Listing.ON_MARKET), Listing.Status.SOLD, Writer.OWNER, sell)


def lock_listing(listing: Listing) -> Listing:
    """The current row, locked against edits but not against rows that refer to it. Raises ListingErased."""
    current = Listing.objects.select_for_update(no_key=True).get(pk=listing.pk)
    if (current.external_id, current.seller_id) != (listing.external_id, listing.seller_id):
        raise ListingErased(listing)
    return current


def refuse_sold(listing: Listing, by: Writer) -> None:
    if by == Writer.OWNER and listing.status == Listing.Status.SOLD:
        raise NotForSale(listing)


def _refuse_stale(listing: Listing, source_version: int | None) -> None:
    if is_stale(listing, source_version):
        raise StaleVersion(listing)


def is_stale(listing: Listing, source_version: int | None) -> bool:
    """Whether a write with this source_version is older than the listing's. False when either is unknown."""
    return (
        source_version is not None
        and listing.source_version is not None
        and source_version < listing.source_version
    )


def _move(
    listing: Listing,
    allowed: Collection[str],
    status: str,
    by: Writer,
    also: Callable[[Listing], None] = lambda listing: None,
) -> Listing:
    with catalogue_transaction() as changes:
        listing = lock_listing(listing)
        if listing.status not in allowed:
            raise NotForSale(listing)
        change_status(listing, status, by)
        also(listing)
        written = ["status", "is_unpublished", "withdrawn_by", "sold_at", "buyer", "updated_at"]
        listing.save(update_fields=written)
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
