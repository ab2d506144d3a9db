"""Photos by address: from whom, from where, how much and how long. A real server with TLS."""

import http.server
import socket
import ssl
import threading
import time
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import trustme

from listings import photo_sources
from listings.batch import ListingRow, upsert_batch
from listings.models import Listing, Photo, PhotoSource
from listings.photo_fetching import PAUSES, fetch_photos
from listings.photo_requests import NamedPhoto
from listings.photo_sources import BadSource, Network, SourceFailed, check_address, fetch, is_public
from tests import factories

BATCH = "/api/v1/listings/batch/"
PHOTO = factories.picture()
HOST = "localhost"


class Site(http.server.BaseHTTPRequestHandler):
    """Answers as its paths say."""

    asked: list[tuple[str, dict[str, str]]] = []
    patient: list[str] = []  # what somebody waited for to the end

    def do_GET(self) -> None:
        self.asked.append((self.path, dict(self.headers)))
        getattr(self, "answer_" + urlsplit(self.path).path.strip("/").partition(".")[0])()

    def log_message(self, *arguments: object) -> None:
        """Nothing."""

    def send(self, status: int, body: bytes = b"", **headers: object) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def answer_photo(self) -> None:
        self.send(200, PHOTO)

    def answer_page(self) -> None:
        self.send(200, b"<html>")

    def answer_redirect(self) -> None:
        self.send(302, Location="/photo.jpg")

    def answer_gone(self) -> None:
        self.send(410)

    def answer_busy(self) -> None:
        self.send(503)

    def answer_short(self) -> None:
        self.send(200, PHOTO, Content_Length=len(PHOTO) + 1)

    def answer_claims(self) -> None:
        self.send(200, PHOTO, Content_Length=10**12)

    def answer_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(100_000):
            self.wfile.write(bytes(100_000))

    def answer_slow(self) -> None:
        for _ in range(200):
            self.wfile.write(b"H")
            time.sleep(0.02)
        self.patient.append(self.path)

    def answer_dripping(self) -> None:
        """A body that ends with its connection, as HTTP/1.0 has it."""
        self.send_response(200)
        self.end_headers()
        self.answer_slow()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def port(authority) -> int:
    family, *_, place = socket.getaddrinfo(HOST, 0, type=socket.SOCK_STREAM)[0]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)

    class Server(http.server.ThreadingHTTPServer):
        address_family = family
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A caller went away."""

        def get_request(self):
            link, address = super().get_request()
            return context.wrap_socket(link, server_side=True, do_handshake_on_connect=False), address

    with Server(place[:2], Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def network(authority, port) -> Network:
    """The world outside is this machine, and believes our own authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return Network(port=port, may_connect=lambda address: True, trusted=lambda: context)


@pytest.fixture(autouse=True)
def hosts(settings):
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={"photo_hosts": [HOST, "img.shop.example"], "photo_maximum_bytes": 100_000}
    )
    Site.asked.clear()


def url(path: str, host: str = HOST) -> str:
    return f"https://{host}/{path}"


class TestAddresses:
    @pytest.mark.parametrize(
        "good", [url("a.jpg?size=2"), url("a", "img.shop.example"), "HTTPS://IMG.shop.example"]
    )
    def test_of_a_listed_host_are_good(self, good):
        assert check_address(good).hostname in (HOST, "img.shop.example")

    @pytest.mark.parametrize(
        "bad",
        [
            *(
                "http://img.shop.example/a.jpg",
                "ftp://img.shop.example/a",
                "file:///etc/passwd",
                "//img.shop.example/a",
            ),
            *(
                "https://evil.example/a.jpg",
                "https://img.shop.example.evil.example/",
                "https://shop.example/a.jpg",
            ),
            *(
                "https://img.shop.example@evil.example/",
                "https://u:p@img.shop.example/",
                "https://@img.shop.example/",
            ),
            *(
                "https://img.shop.example:444/",
                "https://img.shop.example:x/",
                "https://img.shop.example:99999/",
            ),
            *(
                "https://evil.example\\@img.shop.example/",
                "https://img.shop.example/a b",
                "https://img.shop.example/\n",
            ),
            *(
                "https://169.254.169.254/latest/meta-data/",
                "https://[::1]/",
                "https://127.0.0.1/",
                "https:///a",
            ),
            *(
                "https://img.shop.example/\u00e9",
                "https://img.shop.example\u3002evil.example/",
                "",
                "x" * 3000,
                "https://[/",
            ),
            "https://img.shop.example./a.jpg",
        ],
        ids=ascii,
    )
    def test_others_are_not(self, bad):
        with pytest.raises(BadSource):
            check_address(bad)

    def test_none_is_good_where_the_operator_lists_none(self, settings):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"photo_hosts": []})
        with pytest.raises(BadSource, match="PHOTO_HOSTS"):
            check_address(url("a.jpg"))


class TestPlaces:
    @pytest.mark.parametrize(
        "address",
        [
            *(
                "127.0.0.1",
                "10.0.0.1",
                "172.16.3.4",
                "192.168.1.1",
                "169.254.169.254",
                "100.64.0.1",
                "0.0.0.0",
            ),
            *("224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.2.1"),
            *(
                "::1",
                "::",
                "fe80::1",
                "fe80::1%eth0",
                "fc00::1",
                "fd12::1",
                "fec0::1",
                "ff02::1",
                "2001:db8::1",
            ),
            *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::808:808", "2002:7f00:1::"),
            "2001:0:53aa:64c:0:fbff:80ff:fffe",
        ],
    )
    def test_that_are_not_public(self, address):
        assert not is_public(address)

    @pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1"])
    def test_that_are(self, address):
        assert is_public(address)

    def test_a_name_that_leads_into_our_own_network_is_refused(self, network):
        with pytest.raises(BadSource, match="not public"):
            fetch(url("photo.jpg"), Network(port=network.port, trusted=network.trusted))
        assert Site.asked == []

    def test_one_that_leads_to_both_is_too(self, monkeypatch):
        both = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, 443)) for place in ("8.8.8.8", "10.0.0.1")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
        with pytest.raises(BadSource, match="not public"):
            fetch(url("photo.jpg", "img.shop.example"))

    def test_a_name_is_resolved_once_and_what_it_says_then_does_not_matter(self, network, monkeypatch):
        resolve, asked = socket.getaddrinfo, []

        def rebinding(host, *arguments, **options):
            asked.append(host)
            assert asked.count(HOST) <= 1, "the name server was asked again"
            return resolve(host, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        assert fetch(url("photo.jpg"), network) == PHOTO
        assert asked[0] == HOST and len(asked) == 2 and is_number(asked[1])

    def test_the_certificate_has_to_be_that_of_the_name(self, network, monkeypatch):
        resolve = socket.getaddrinfo
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *a, **o: resolve(host.replace("img.shop.example", HOST), *a, **o),
        )
        with pytest.raises(SourceFailed, match="SSLCertVerificationError"):
            fetch(url("photo.jpg", "img.shop.example"), network)

    def test_and_of_an_authority_that_is_trusted(self, network):
        with pytest.raises(SourceFailed, match="SSLCertVerificationError"):
            fetch(url("photo.jpg"), Network(port=network.port, may_connect=network.may_connect))


def is_number(address: str) -> bool:
    return ":" in address or address.replace(".", "").isdigit()


class TestFetching:
    def test_a_photo_comes_as_it_is_and_nothing_of_ours_is_told(self, network):
        assert fetch(url("photo.jpg?size=2#x"), network) == PHOTO
        path, headers = Site.asked[0]
        assert path == "/photo.jpg?size=2"
        assert {name.lower() for name in headers} == {"host", "accept", "accept-encoding", "user-agent"}

    @pytest.mark.parametrize(
        ("path", "error", "said"),
        [
            ("redirect", BadSource, "sends elsewhere"),
            ("gone", BadSource, "answered 410"),
            ("busy", SourceFailed, "answered 503"),
            ("claims", BadSource, "more than 100,000 bytes"),
            ("endless", BadSource, "more than 100,000 bytes"),
            ("short", SourceFailed, "cut short"),
        ],
    )
    def test_what_is_no_photo_is_refused_or_tried_again(self, network, path, error, said):
        with pytest.raises(error, match=said):
            fetch(url(path), network)
        assert len(Site.asked) == 1

    @pytest.mark.parametrize("path", ["slow", "dripping"])
    def test_one_that_trickles_in_is_cut_off(self, network, path):
        hasty = Network(network.port, network.may_connect, network.trusted, timeout_s=0.2)
        with pytest.raises(SourceFailed):
            fetch(url(path), hasty)
        assert Site.patient == []

    def test_where_nobody_listens(self, network):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            nowhere = Network(free.getsockname()[1], network.may_connect, network.trusted)
            with pytest.raises(SourceFailed):
                fetch(url("photo.jpg"), nowhere)


@pytest.fixture
def row() -> ListingRow:
    named = (NamedPhoto("photo-1", url("photo.jpg")),)
    return ListingRow("advert-1", "ada", "Oak table", "Home / Tables", 80, photos=named)


@pytest.fixture
def work(network, now):
    """work(after) fetches what is due then."""
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
        assert Site.asked == []  # not by the web process
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
    def test_a_row_with_a_photo_that_cannot_be_is_rejected(self, as_service, db, photos):
        result = self.result(as_service, *photos)
        assert result["outcome"] == "rejected" and "photos" in result["reason"]
        assert not Listing.objects.exists() and not PhotoSource.objects.exists()

    def test_the_same_again_is_not_fetched_again(self, row, work, now, db):
        for _ in range(2):
            upsert_batch(rows=[row], now=now)
            work()
        assert len(Site.asked) == 1

    def test_another_address_is(self, row, work, now, db):
        upsert_batch(rows=[row], now=now)
        work()
        other = NamedPhoto("photo-1", url("photo.jpg?2"))
        upsert_batch(rows=[ListingRow(**{**vars(row), "photos": (other,)})], now=now)
        assert outcome(work()) == "fetched"
        assert [path for path, _ in Site.asked] == ["/photo.jpg", "/photo.jpg?2"]
        assert Photo.objects.count() == 1

    def test_a_stale_or_rejected_row_asks_for_nothing(self, row, now, db):
        for change in ({"source_version": 5, "photos": ()}, {"source_version": 4}, {"seller": "bea"}):
            upsert_batch(rows=[ListingRow(**{**vars(row), **change})], now=now)
        assert not PhotoSource.objects.exists()


class TestWork:
    @pytest.fixture
    def source(self, row, now, db):
        def named(path: str) -> PhotoSource:
            photo = NamedPhoto("photo-1", url(path))
            upsert_batch(rows=[ListingRow(**{**vars(row), "photos": (photo,)})], now=now)
            return PhotoSource.objects.get()

        return named

    def test_what_will_never_do_fails_at_once_and_says_why(self, source, work):
        source("page")
        assert outcome(work()) == "failed"
        assert "not a JPEG" in PhotoSource.objects.get().last_error
        assert outcome(work(timedelta(days=9))) == "nothing"

    def test_what_may_pass_is_tried_five_times_with_growing_pauses(self, source, work, now):
        source("busy")
        after, pauses = timedelta(0), []
        for attempt in range(5):
            assert outcome(work(after)) == ("failed" if attempt == 4 else "later")
            assert outcome(work(after)) == "nothing"
            pauses.append(PhotoSource.objects.get().try_after - now - after)
            after += pauses[-1]
        assert pauses == sorted(set(pauses)) == list(PAUSES)
        assert outcome(work(after)) == "nothing" and len(Site.asked) == 5

    def test_an_attempt_counts_before_it_is_made(self, source, work, monkeypatch):
        source("photo.jpg")

        class Killed(BaseException):
            pass

        def killed(*_):
            raise Killed

        monkeypatch.setattr("listings.photo_fetching.fetch", killed)
        with pytest.raises(Killed):
            work()
        assert PhotoSource.objects.get().attempts == 1
        assert outcome(work()) == "nothing"

    def test_one_that_ends_each_worker_is_set_aside_and_the_rest_is_fetched(
        self, row, work, now, db, monkeypatch
    ):
        class Killed(BaseException):
            pass

        def fetch_or_die(address, network):
            if "deadly" in address:
                raise Killed
            return fetch(address, network)

        named = [NamedPhoto(name, url(f"photo.jpg?{name}")) for name in ("a", "deadly", "z")]
        upsert_batch(rows=[ListingRow(**{**vars(row), "photos": tuple(named)})], now=now)
        monkeypatch.setattr("listings.photo_fetching.fetch", fetch_or_die)
        for turn in range(10):
            with suppress(Killed):
                work(turn * timedelta(hours=11))
        deadly = PhotoSource.objects.get(external_id="deadly")
        assert deadly.attempts == len(PAUSES)
        assert deadly.failed_at and "killed" in deadly.last_error
        fetched = PhotoSource.objects.exclude(fetched_at=None)
        assert list(fetched.order_by("pk").values_list("external_id", flat=True)) == ["a", "z"]

    def test_what_is_erased_while_it_is_fetched_does_not_come_back(self, source, network, now, settings):
        source("photo.jpg")

        def clock():
            if Site.asked:
                PhotoSource.objects.all().delete()  # as erasing its seller does
            return now

        assert outcome(fetch_photos(clock=clock, network=network)) == "failed"
        assert not Photo.objects.exists()
        assert not list(settings.MEDIA_ROOT.rglob("*.jpg"))

    def test_a_host_that_was_struck_off_is_not_asked(self, source, work, settings):
        source("photo.jpg")
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"photo_hosts": []})
        assert outcome(work()) == "failed"
        assert Site.asked == []

    def test_staff_see_it_and_have_it_tried_again(self, source, work, admin_client):
        pk = source("gone").pk
        work()
        page = admin_client.get("/admin/listings/photosource/?failed_at__isempty=0").content.decode()
        assert "answered 410" in page
        admin_client.post("/admin/listings/photosource/", {"action": "retry", "_selected_action": [pk]})
        assert outcome(work(timedelta(minutes=1))) == "failed"
        assert len(Site.asked) == 2


def test_the_default_network_is_the_open_one():
    assert Network() == Network(443, is_public, photo_sources._trusted, photo_sources.TIMEOUT_S)
