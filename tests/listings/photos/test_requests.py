"""The queue of photo URLs that services submitted."""

from datetime import timedelta

from listings.models import PhotoSource
from listings.photos.requests import RequestedPhoto, request_photos
from tests.listings.photo_site import url


def request(listing, address: str, now) -> PhotoSource:
    request_photos({listing.pk: [RequestedPhoto("photo-1", address)]}, now=now)
    return PhotoSource.objects.get()


def test_a_requested_photo_is_due_at_once(sofa, now):
    source = request(sofa, url("photo.jpg"), now)
    assert (source.listing, source.external_id, source.try_after) == (sofa, "photo-1", now)


def test_a_url_requested_again_keeps_its_attempts(sofa, now):
    request(sofa, url("photo.jpg"), now)
    PhotoSource.objects.update(attempts=2)
    assert request(sofa, url("photo.jpg"), now + timedelta(hours=1)).attempts == 2


def test_another_url_or_a_failed_one_is_tried_anew(sofa, now):
    request(sofa, url("photo.jpg"), now)
    for address in (url("other.jpg"), url("other.jpg")):
        PhotoSource.objects.update(attempts=5, failed_at=now, last_error="gone")
        source = request(sofa, address, now)
        assert (source.url, source.attempts, source.failed_at) == (address, 0, None)
