"""Fetching of photos by a worker: attempts, pauses and outcomes."""

from contextlib import suppress
from datetime import timedelta

import pytest

from listings.batches.fetching import PAUSES, fetch_photos
from listings.batches.listings import ListingRow, upsert_batch
from listings.models import Photo, PhotoSource
from listings.photos.download import fetch
from listings.photos.requests import RequestedPhoto
from tests.listings.batches.outcomes import outcome
from tests.listings.photo_site import Site, url

pytestmark = pytest.mark.usefixtures("photo_hosts")


class TestWork:
    @pytest.fixture
    def source(self, row, now, db):
        def named(path: str) -> PhotoSource:
            photo = RequestedPhoto("photo-1", url(path))
            upsert_batch(rows=[ListingRow(**{**vars(row), "photos": (photo,)})], now=now)
            return PhotoSource.objects.get()

        return named

    def test_a_file_that_is_no_photo_fails_at_once_with_its_reason(self, source, work):
        source("page")
        assert outcome(work()) == "failed"
        assert "not a JPEG" in PhotoSource.objects.get().last_error
        assert outcome(work(timedelta(days=9))) == "nothing"

    def test_a_server_error_is_retried_five_times_with_growing_pauses(self, source, work, now):
        source("busy")
        after, pauses = timedelta(0), []
        for attempt in range(5):
            assert outcome(work(after)) == ("failed" if attempt == 4 else "later")
            assert outcome(work(after)) == "nothing"
            pauses.append(PhotoSource.objects.get().try_after - now - after)
            after += pauses[-1]
        assert pauses == sorted(set(pauses)) == list(PAUSES)
        assert outcome(work(after)) == "nothing" and len(Site.requests) == 5

    def test_a_fetch_attempt_is_counted_before_it_is_made(self, source, work, monkeypatch):
        source("photo.jpg")

        class Killed(BaseException):
            pass

        def killed(*_):
            raise Killed

        monkeypatch.setattr("listings.batches.fetching.fetch", killed)
        with pytest.raises(Killed):
            work()
        assert PhotoSource.objects.get().attempts == 1
        assert outcome(work()) == "nothing"

    def test_a_photo_that_kills_each_worker_is_set_aside_and_the_others_are_fetched(
        self, row, work, now, db, monkeypatch
    ):
        class Killed(BaseException):
            pass

        def fetch_or_die(address, network):
            if "deadly" in address:
                raise Killed
            return fetch(address, network)

        named = [RequestedPhoto(name, url(f"photo.jpg?{name}")) for name in ("a", "deadly", "z")]
        upsert_batch(rows=[ListingRow(**{**vars(row), "photos": tuple(named)})], now=now)
        monkeypatch.setattr("listings.batches.fetching.fetch", fetch_or_die)
        for turn in range(10):
            with suppress(Killed):
                work(turn * timedelta(hours=11))
        deadly = PhotoSource.objects.get(external_id="deadly")
        assert deadly.attempts == len(PAUSES)
        assert deadly.failed_at and "killed" in deadly.last_error
        fetched = PhotoSource.objects.exclude(fetched_at=None)
        assert list(fetched.order_by("pk").values_list("external_id", flat=True)) == ["a", "z"]

    def test_a_photo_erased_while_it_is_fetched_leaves_no_row_and_no_file(
        self, source, network, now, settings
    ):
        source("photo.jpg")

        def clock():
            if Site.requests:
                PhotoSource.objects.all().delete()  # erasing its seller does this
            return now

        assert outcome(fetch_photos(clock=clock, network=network)) == "failed"
        assert not Photo.objects.exists()
        assert not list(settings.MEDIA_ROOT.rglob("*.jpg"))

    def test_a_host_removed_from_the_list_is_not_contacted(self, source, work, settings):
        source("photo.jpg")
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"photo_hosts": []})
        assert outcome(work()) == "failed"
        assert Site.requests == []

    def test_staff_see_a_failed_photo_in_the_admin_and_retry_it(self, source, work, admin_client):
        pk = source("gone").pk
        work()
        page = admin_client.get("/admin/listings/photosource/?failed_at__isempty=0").content.decode()
        assert "answered 410" in page
        admin_client.post("/admin/listings/photosource/", {"action": "retry", "_selected_action": [pk]})
        assert outcome(work(timedelta(minutes=1))) == "failed"
        assert len(Site.requests) == 2
