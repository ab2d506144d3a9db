"""Fetching of photos that services submitted as URLs, by a worker."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from listings.announcing import catalogue_transaction
from listings.batches.listings import UpsertOutcome
from listings.batches.photos import PhotoRow, upsert_photos
from listings.errors import DomainError, Unavailable
from listings.models import Listing, PhotoSource
from listings.photos import processing
from listings.photos.download import Network, fetch

AT_ONCE = 8  # photos
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 600))
KILLED = "Its worker was killed at the last attempt."


def fetch_photos(*, clock: Callable[[], datetime], network: Network | None = None) -> dict[str, int]:
    """Fetch and store some of the photos that are due. Returns counts of `fetched`, `failed` and `later`.

    Safe to run at any time, by any number of workers. An attempt is counted before it starts, so that a photo
    that crashes its worker is given up after a few attempts.
    """
    sources = _claim(clock())
    with ThreadPoolExecutor(AT_ONCE) as threads:
        received = list(threads.map(lambda source: _received(source, network or Network()), sources))
    counts = {"fetched": 0, "failed": 0, "later": 0}
    for source, result in zip(sources, received, strict=True):
        counts[_store(source, result, clock())] += 1
    return counts


def waiting_count(now: datetime) -> int:
    return PhotoSource.objects.filter(fetched_at=None, failed_at=None, try_after__lte=now).count()


@transaction.atomic
def _claim(now: datetime) -> list[PhotoSource]:
    """Claim sources that are due: their attempt is counted, and other workers skip them until the next one.

    A source that was attempted without a result crashed its worker. It is claimed alone, so that a second
    crash affects no other source.
    """
    due = PhotoSource.objects.filter(fetched_at=None, failed_at=None, try_after__lte=now)
    due.filter(attempts__gte=len(PAUSES)).update(failed_at=now, last_error=KILLED)
    due = due.select_for_update(skip_locked=True).order_by("try_after", "pk")
    crashed = Q(attempts__gt=0, last_error="")
    sources = list(due.filter(crashed)[:1]) or list(due.exclude(crashed)[:AT_ONCE])
    for source in sources:
        source.try_after = now + PAUSES[min(source.attempts, len(PAUSES) - 1)]
        source.attempts += 1
        source.last_error = ""
    PhotoSource.objects.bulk_update(sources, ["attempts", "try_after", "last_error"])
    return sources


def _received(source: PhotoSource, network: Network) -> processing.ReceivedPhoto | DomainError:
    try:
        return processing.receive(fetch(source.url, network))
    except DomainError as error:
        return error


def _store(source: PhotoSource, received: processing.ReceivedPhoto | DomainError, now: datetime) -> str:
    """Store the photo or the error. Returns the outcome: fetched, failed or later."""
    if isinstance(received, DomainError):
        is_final = source.attempts >= len(PAUSES) or not isinstance(received, Unavailable)
        return _refuse(source, received.detail, now) if is_final else _put_off(source, received.detail)
    with catalogue_transaction():
        if not _is_wanted(source):
            return "failed"
        result = upsert_photos(rows=[PhotoRow(source.listing_id, source.external_id, received)])[0]
    if result.outcome == UpsertOutcome.REJECTED:
        return _refuse(source, result.reason, now)
    # A source that got another URL meanwhile is still to be fetched.
    PhotoSource.objects.filter(pk=source.pk, url=source.url).update(fetched_at=now, last_error="")
    return "fetched"


def _is_wanted(source: PhotoSource) -> bool:
    """Whether the source still exists. Erasing a seller deletes sources under the same lock."""
    list(Listing.objects.select_for_update(no_key=True).filter(pk=source.listing_id).values_list("pk"))
    return PhotoSource.objects.select_for_update().filter(pk=source.pk).exists()


def _refuse(source: PhotoSource, reason: str, now: datetime) -> str:
    PhotoSource.objects.filter(pk=source.pk, url=source.url).update(failed_at=now, last_error=reason[:500])
    return "failed"


def _put_off(source: PhotoSource, reason: str) -> str:
    PhotoSource.objects.filter(pk=source.pk, url=source.url).update(last_error=reason[:500])
    return "later"
