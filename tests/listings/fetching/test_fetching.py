"""Fetching photos by URL: limits on size and time, retries and outcomes."""

import socket
from contextlib import suppress
from datetime import timedelta

import pytest

from listings.batches.fetching import PAUSES, fetch_photos
from listings.batches.listings import ListingRow, upsert_batch
from listings.models import Listing, Photo, PhotoSource
from listings.photos import download
from listings.photos.download import BadPhotoUrl, Network, PhotoDownloadFailed, fetch, is_public
from listings.photos.requests import RequestedPhoto
from tests.listings.fetching.site import BATCH, PHOTO, Site, url


class TestFetching:
    def test_a_photo_is_fetched_unchanged_with_four_plain_request_headers(self, network):
        assert fetch(url("photo.jpg?size=2#x"), network) == PHOTO
        path, headers = Site.requests[0]
        assert path == "/photo.jpg?size=2"
        assert {name.lower() for name in headers} == {"host", "accept", "accept-encoding", "user-agent"}

    @pytest.mark.parametrize(
        ("path", "error", "message"),
        [
            ("redirect", BadPhotoUrl, "sends elsewhere"),
            ("gone", BadPhotoUrl, "answered 410"),
            ("busy", PhotoDownloadFailed, "answered 503"),
            ("claims", BadPhotoUrl, "more than 100,000 bytes"),
            ("endless", BadPhotoUrl, "more than 100,000 bytes"),
            ("short", PhotoDownloadFailed, "cut short"),
        ],
    )
    def test_a_redirect_error_or_oversized_answer_is_refused_or_may_be_retried(
        self, network, path, error, message
    ):
        with pytest.raises(error, match=message):
            fetch(url(path), network)
        assert len(Site.requests) == 1

    @pytest.mark.parametrize("path", ["slow", "dripping"])
    def test_a_download_that_trickles_in_is_cut_off_after_the_timeout(self, network, path):
        hasty = Network(network.port, network.may_connect, network.trusted, timeout_s=0.2)
        with pytest.raises(PhotoDownloadFailed):
            fetch(url(path), hasty)
        assert Site.patient == []

    def test_a_download_from_a_closed_port_fails(self, network):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            nowhere = Network(free.getsockname()[1], network.may_connect, network.trusted)
            with pytest.raises(PhotoDownloadFailed):
                fetch(url("photo.jpg"), nowhere)


@pytest.fixture
def row() -> ListingRow:
    named = (RequestedPhoto("photo-1", url("photo.jpg")),)
    return ListingRow("advert-1", "ada", "Oak table", "Home / Tables", 80, photos=named)


@pytest.fixture
def work(network, now):
    """work(after) fetches the photos that are due after that time."""
    return lambda after=timedelta(0): fetch_photos(clock=lambda: now + after, network=network)


def outcome(counts: dict[str, int]) -> str:
    return next((name for name, count in counts.items() if count), "nothing")


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


def test_the_default_network_connects_to_public_addresses_on_port_443():
    assert Network() == Network(443, is_public, download._trusted, download.TIMEOUT_S)
