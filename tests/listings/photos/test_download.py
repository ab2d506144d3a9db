"""Photo URLs: allowed hosts and IP addresses."""

import socket

import pytest

from listings.photos import download
from listings.photos.download import (
    BadPhotoUrl,
    Network,
    PhotoDownloadFailed,
    check_photo_url,
    fetch,
    is_public,
)
from tests.listings.photo_site import HOST, PHOTO, Site, url

pytestmark = pytest.mark.usefixtures("photo_hosts")


class TestAddresses:
    @pytest.mark.parametrize(
        "good", [url("a.jpg?size=2"), url("a", "img.shop.example"), "HTTPS://IMG.shop.example"]
    )
    def test_a_photo_url_of_a_listed_host_is_accepted(self, good):
        assert check_photo_url(good).hostname in (HOST, "img.shop.example")

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
    def test_a_photo_url_that_is_not_plain_https_to_a_listed_host_is_refused(self, bad):
        with pytest.raises(BadPhotoUrl):
            check_photo_url(bad)

    def test_every_photo_url_is_refused_where_the_operator_lists_no_host(self, settings):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"photo_hosts": []})
        with pytest.raises(BadPhotoUrl, match="PHOTO_HOSTS"):
            check_photo_url(url("a.jpg"))


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
    def test_private_and_reserved_ip_addresses_are_not_public(self, address):
        assert not is_public(address)

    @pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1"])
    def test_ordinary_ip_addresses_are_public(self, address):
        assert is_public(address)

    def test_a_host_name_that_resolves_to_a_private_address_is_refused(self, network):
        with pytest.raises(BadPhotoUrl, match="not public"):
            fetch(url("photo.jpg"), Network(port=network.port, trusted=network.trusted))
        assert Site.requests == []

    def test_a_host_name_that_resolves_to_a_public_and_a_private_address_is_refused(self, monkeypatch):
        both = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, 443)) for place in ("8.8.8.8", "10.0.0.1")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
        with pytest.raises(BadPhotoUrl, match="not public"):
            fetch(url("photo.jpg", "img.shop.example"))

    def test_a_host_name_is_resolved_once_and_the_connection_goes_to_that_address(self, network, monkeypatch):
        resolve, resolved = socket.getaddrinfo, []

        def rebinding(host, *arguments, **options):
            resolved.append(host)
            assert resolved.count(HOST) <= 1, "the name server was asked again"
            return resolve(host, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        assert fetch(url("photo.jpg"), network) == PHOTO
        assert resolved[0] == HOST and len(resolved) == 2 and is_number(resolved[1])

    def test_a_certificate_for_another_host_name_is_refused(self, network, monkeypatch):
        resolve = socket.getaddrinfo
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *a, **o: resolve(host.replace("img.shop.example", HOST), *a, **o),
        )
        with pytest.raises(PhotoDownloadFailed, match="SSLCertVerificationError"):
            fetch(url("photo.jpg", "img.shop.example"), network)

    def test_a_certificate_of_an_untrusted_authority_is_refused(self, network):
        with pytest.raises(PhotoDownloadFailed, match="SSLCertVerificationError"):
            fetch(url("photo.jpg"), Network(port=network.port, may_connect=network.may_connect))


def is_number(address: str) -> bool:
    return ":" in address or address.replace(".", "").isdigit()


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


def test_the_default_network_connects_to_public_addresses_on_port_443():
    assert Network() == Network(443, is_public, download._trusted, download.TIMEOUT_S)
