"""Queue of photo URLs that services submitted. Each waiting photo is a PhotoSource row."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from listings.models import PhotoSource


@dataclass(frozen=True)
class RequestedPhoto:
    external_id: str
    url: str


def request_photos(named: Mapping[int, Iterable[RequestedPhoto]], *, now: datetime) -> None:
    """Queue these photos, by primary key of their listings. A URL that was fetched before is skipped."""
    if not named:
        return
    urls = {(pk, photo.external_id): photo.url for pk, photos in named.items() for photo in photos}
    stored = PhotoSource.objects.filter(listing_id__in=named).select_for_update().order_by("pk")
    changed = []
    for source in stored:
        url = urls.pop((source.listing_id, source.external_id), None)
        if url is not None and (url != source.url or source.failed_at):
            source.reset(url, now)
            changed.append(source)
    PhotoSource.objects.bulk_update(changed, PhotoSource.PROGRESS)
    PhotoSource.objects.bulk_create(
        PhotoSource(listing_id=pk, external_id=external_id, url=url, try_after=now)
        for (pk, external_id), url in urls.items()
    )
