"""The worker's side of photos that services named by address."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from listings import photos
from listings.announcing import announcing
from listings.batch import Outcome
from listings.errors import DomainError, Unavailable
from listings.models import Listing, PhotoSource
from listings.photo_batch import PhotoRow, upsert_photos
from listings.photo_sources import Network, fetch

AT_ONCE = 8
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 600))
KILLED = "Its worker was killed at the last attempt."


def fetch_photos(*, clock: Callable[[], datetime], network: Network | None = None) -> dict[str, int]:
    """Fetch some of what waits and keep it; how many were fetched, failed, and are to be tried again.

    Safe to run at any time, by any number of workers. An attempt counts before it is made: a photo that ends
    its worker is not tried for ever.
    """
    sources = _claim(clock())
    with ThreadPoolExecutor(AT_ONCE) as threads:
        received = list(threads.map(lambda source: _received(source, network or Network()), sources))
    counts = {"fetched": 0, "failed": 0, "later": 0}
    for source, found in zip(sources, received, strict=True):
        counts[_keep(source, found, clock())] += 1
    return counts


def waiting_count(now: datetime) -> int:
    return PhotoSource.objects.filter(fetched_at=None, failed_at=None, try_after__lte=now).count()


@transaction.atomic
def _claim(now: datetime) -> list[PhotoSource]:
    """Some that are due, their attempt counted, and out of others' reach until the next is due.

    Whoever ended a worker left no word of it. Each of those is tried alone, so that it stops no other again.
    """
    due = PhotoSource.objects.filter(fetched_at=None, failed_at=None, try_after__lte=now)
    due.filter(attempts__gte=len(PAUSES)).update(failed_at=now, last_error=KILLED)
    due = due.select_for_update(skip_locked=True).order_by("try_after", "pk")
    without_word = Q(attempts__gt=0, last_error="")
    sources = list(due.filter(without_word)[:1]) or list(due.exclude(without_word)[:AT_ONCE])
    for source in sources:
        source.try_after = now + PAUSES[min(source.attempts, len(PAUSES) - 1)]
        source.attempts += 1
        source.last_error = ""
    PhotoSource.objects.bulk_update(sources, ["attempts", "try_after", "last_error"])
    return sources


def _received(source: PhotoSource, network: Network) -> photos.ReceivedPhoto | DomainError:
    try:
        return photos.receive(fetch(source.url, network))
    except DomainError as error:
        return error


def _keep(source: PhotoSource, found: photos.ReceivedPhoto | DomainError, now: datetime) -> str:
    """Which of the counts it goes into."""
    if isinstance(found, DomainError):
        is_over = source.attempts >= len(PAUSES) or not isinstance(found, Unavailable)
        return _refuse(source, found.detail, now) if is_over else _put_off(source, found.detail)
    with announcing():
        if not _is_wanted(source):
            return "failed"
        result = upsert_photos(rows=[PhotoRow(source.listing_id, source.external_id, found)])[0]
    if result.outcome == Outcome.REJECTED:
        return _refuse(source, result.reason, now)
    # Of a source that was given another address meanwhile, that one still waits.
    PhotoSource.objects.filter(pk=source.pk, url=source.url).update(fetched_at=now, last_error="")
    return "fetched"


def _is_wanted(source: PhotoSource) -> bool:
    """Whether its listing still waits for it: erasing a seller takes sources away, under the same lock."""
    list(Listing.objects.select_for_update(no_key=True).filter(pk=source.listing_id).values_list("pk"))
    return PhotoSource.objects.select_for_update().filter(pk=source.pk).exists()


def _refuse(source: PhotoSource, reason: str, now: datetime) -> str:
    PhotoSource.objects.filter(pk=source.pk, url=source.url).update(failed_at=now, last_error=reason[:500])
    return "failed"


def _put_off(source: PhotoSource, reason: str) -> str:
    PhotoSource.objects.filter(pk=source.pk, url=source.url).update(last_error=reason[:500])
    return "later"
