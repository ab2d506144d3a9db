"""The change log: what serving processes tail."""

from collections.abc import Iterable

from django.db import connection

from listings.models import Listing
from recommendations import locks
from recommendations.models import CatalogueChange


def append_changes(listing_ids: Iterable[int]) -> None:
    """Log that these listings changed, as the last statement of the transaction that changed them.

    The advisory lock lasts until the commit, so seq order is commit order and a reader that goes by
    seq misses nothing. Take it last: whoever works on while holding it keeps every sale waiting.
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
    """The position of a reader that has read everything; 0 before the first change."""
    return CatalogueChange.objects.order_by("-seq").values_list("seq", flat=True).first() or 0


def changed_since(seq: int, limit: int = 5000) -> list[tuple[int, int]]:
    """(seq, listing id) of the next changes, in order."""
    return list(
        CatalogueChange.objects.filter(seq__gt=seq).order_by("seq").values_list("seq", "listing_id")[:limit]
    )


def is_pruned_past(seq: int) -> bool:
    """Whether changes after this position are gone. Pruning keeps the row at the position it prunes to."""
    oldest = CatalogueChange.objects.order_by("seq").values_list("seq", flat=True).first()
    return oldest is not None and oldest > seq


def prune_to(seq: int) -> int:
    """Delete what lies before this position; how many rows that were."""
    return CatalogueChange.objects.filter(seq__lt=seq).delete()[0]
