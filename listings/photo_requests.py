"""Photos that services name by address: what waits to be fetched is a row, as all work is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from listings.models import PhotoSource


@dataclass(frozen=True)
class NamedPhoto:
    external_id: str
    url: str


def request_photos(named: Mapping[int, Iterable[NamedPhoto]], *, now: datetime) -> None:
    """Have these photos fetched, by primary key of their listings; not what was fetched from there before."""
    if not named:
        return
    wanted = {(pk, photo.external_id): photo.url for pk, found in named.items() for photo in found}
    known = PhotoSource.objects.filter(listing_id__in=named).select_for_update().order_by("pk")
    changed = []
    for source in known:
        url = wanted.pop((source.listing_id, source.external_id), None)
        if url is not None and (url != source.url or source.failed_at):
            source.begin_anew(url, now)
            changed.append(source)
    PhotoSource.objects.bulk_update(changed, PhotoSource.PROGRESS)
    PhotoSource.objects.bulk_create(
        PhotoSource(listing_id=pk, external_id=external_id, url=url, try_after=now)
        for (pk, external_id), url in wanted.items()
    )
