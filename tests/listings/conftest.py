import http.server
import socket
import ssl
import threading

import pytest
import trustme

from listings.announcing import listings_changed
from listings.photos.download import Network
from tests.listings.photo_site import HOST, Site


@pytest.fixture
def announced():
    """The listings_changed signals so far, each as its list of ids."""
    heard: list[list[int]] = []

    def hear(sender, listing_ids, **_):
        heard.append(listing_ids)

    listings_changed.connect(hear)
    yield heard
    listings_changed.disconnect(hear)


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
            """Ignore a client that closed its connection."""

        def get_request(self):
            link, address = super().get_request()
            return context.wrap_socket(link, server_side=True, do_handshake_on_connect=False), address

    with Server(place[:2], Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def network(authority, port) -> Network:
    """A Network that allows this machine and trusts the test's certificate authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return Network(port=port, may_connect=lambda address: True, trusted=lambda: context)


@pytest.fixture
def photo_hosts(settings):
    """Photos may be fetched from this machine and one more host."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={"photo_hosts": [HOST, "img.shop.example"], "photo_maximum_bytes": 100_000}
    )
    Site.requests.clear()
