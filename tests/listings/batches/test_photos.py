"""Photos that rows of a batch name by URL."""

from datetime import timedelta

import pytest

from listings.batches.listings import ListingRow, upsert_batch
from listings.models import Listing, Photo, PhotoSource
from listings.photos.requests import RequestedPhoto
from tests.listings.batches.outcomes import outcome
from tests.listings.photo_site import BATCH, Site, url

pytestmark = pytest.mark.usefixtures("photo_hosts")


class TestBatches:
    def body(self, *photos: dict) -> dict:
        content = {"external_id": "advert-1", "seller": "ada", "title": "Oak table", "price": "80"}
        return {"listings": [content | {"category": "Home / Tables", "photos": list(photos)}]}

    def result(self, client, *photos: dict) -> dict:
        reply = client.put(BATCH, self.body(*photos))
        assert reply.status_code == 200, reply.content
        return reply.json()["results"][0]

    def test_a_service_names_photos_and_a_worker_fetches_them(self, as_service, work, now, db):
        assert self.result(as_service, {"id": "photo-1", "url": url("photo.jpg")})["outcome"] == "created"
        assert Site.requests == []  # the web process fetches nothing
        assert work(timedelta(seconds=9)) == {"fetched": 1, "failed": 0, "later": 0}
        shown = as_service.get("/api/v1/listings/advert-1/").json()["photos"]
        assert [photo["id"] for photo in shown] == ["photo-1"]
        assert Photo.objects.get().listing.external_id == "advert-1"

    @pytest.mark.parametrize(
        "photos",
        [
            [{"id": "p", "url": "https://evil.example/a.jpg"}],
            [{"id": "p", "url": "http://localhost/a.jpg"}],
            [{"id": "a/b", "url": url("photo.jpg")}],
            [{"id": "p"}],
            [{"id": "p", "url": url("photo.jpg")}] * 2,
            [{"id": str(number), "url": url("photo.jpg")} for number in range(21)],
            ["x"],
            [{"id": "p", "url": url("photo.jpg"), "more": 1}],
        ],
        ids=lambda photos: str(photos)[:40],
    )
    def test_a_batch_row_with_an_impossible_photo_is_rejected(self, as_service, db, photos):
        result = self.result(as_service, *photos)
        assert result["outcome"] == "rejected" and "photos" in result["reason"]
        assert not Listing.objects.exists() and not PhotoSource.objects.exists()

    def test_a_photo_sent_again_under_the_same_url_is_not_fetched_again(self, row, work, now, db):
        for _ in range(2):
            upsert_batch(rows=[row], now=now)
            work()
        assert len(Site.requests) == 1

    def test_a_photo_sent_again_under_another_url_is_fetched_and_replaced(self, row, work, now, db):
        upsert_batch(rows=[row], now=now)
        work()
        other = RequestedPhoto("photo-1", url("photo.jpg?2"))
        upsert_batch(rows=[ListingRow(**{**vars(row), "photos": (other,)})], now=now)
        assert outcome(work()) == "fetched"
        assert [path for path, _ in Site.requests] == ["/photo.jpg", "/photo.jpg?2"]
        assert Photo.objects.count() == 1

    def test_a_stale_or_rejected_row_requests_no_photo(self, row, now, db):
        for change in ({"source_version": 5, "photos": ()}, {"source_version": 4}, {"seller": "bea"}):
            upsert_batch(rows=[ListingRow(**{**vars(row), **change})], now=now)
        assert not PhotoSource.objects.exists()
