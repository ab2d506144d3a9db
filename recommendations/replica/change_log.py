"""Change log of the catalogue: written with each change of a listing, tailed by serving processes."""

from collections.abc import Iterable

from django.db import connection

from listings.models import Listing
from recommendations.core import locks
from recommendations.models.catalogue_changes import CatalogueChange


def append_changes(listing_ids: Iterable[int]) -> None:
    """Log a change of these listings. Call it as the last statement of the transaction that changes them.

    Its advisory lock is held until the commit. Therefore seq order is commit order, and a reader that
    continues from a seq misses nothing. A transaction that goes on working while it holds the lock blocks
    every other change of a listing.
    """
    ids = sorted(set(listing_ids))
    if not ids:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [locks.CHANGE_LOG])
    active = set(
        Listing.objects.filter(pk__in=ids, status=Listing.Status.ACTIVE).values_list("pk", flat=True)
    )
    CatalogueChange.objects.bulk_create(
        CatalogueChange(
            listing_id=pk, op=CatalogueChange.Op.UPSERT if pk in active else CatalogueChange.Op.REMOVE
        )
        for pk in ids
    )


def last_seq() -> int:
    """The seq of the last change; 0 before the first one."""
    return CatalogueChange.objects.order_by("-seq").values_list("seq", flat=True).first() or 0


def changed_since(seq: int, limit: int = 5000) -> list[tuple[int, int]]:
    """The changes after a seq, in order, at most `limit`: (seq, listing id) of each."""
    return list(
        CatalogueChange.objects.filter(seq__gt=seq).order_by("seq").values_list("seq", "listing_id")[:limit]
    )


def is_pruned_past(seq: int) -> bool:
    """Whether changes after this seq were pruned. Pruning keeps the change that it prunes to."""
    oldest = CatalogueChange.objects.order_by("seq").values_list("seq", flat=True).first()
    return oldest is not None and oldest > seq


def prune_to(seq: int) -> int:
    """Delete the changes before this seq. Returns how many were deleted."""
    return CatalogueChange.objects.filter(seq__lt=seq).delete()[0]
