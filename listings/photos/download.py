"""Download of a photo by URL, protected against server-side request forgery.

Only https and the hosts in PHOTO_HOSTS are allowed. The host name is resolved once and the connection goes to
that IP address, so that DNS rebinding has no effect. IP addresses that are not public are refused. Redirects
are not followed, and no credentials are sent.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from listings.errors import Invalid, Unavailable

PORT = 443
CONNECT_TIMEOUT_S = 3.0
TIMEOUT_S = 10.0  # for the whole download
MAXIMUM_URL_LENGTH = 2000
CHUNK = 65_536  # bytes
WORTH_ANOTHER_TRY = {408, 425, 429, 500, 502, 503, 504}
TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


class BadPhotoUrl(Invalid):
    """A URL that cannot be fetched and is not retried. `detail` is the reason in one sentence."""

    def __init__(self, detail: str):
        super().__init__(detail, field="photos")


class PhotoDownloadFailed(Unavailable):
    """A download that failed and may succeed later."""


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()


def is_public(address: str) -> bool:
    """Whether an IP address is global. False for private, link-local and loopback, also inside IPv6 forms."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        embedded_ipv4 = parsed.ipv4_mapped or parsed.sixtofour or parsed.teredo
        if embedded_ipv4 or parsed.is_site_local or any(parsed in network for network in TRANSLATED):
            return False
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved or parsed.is_unspecified)


@dataclass(frozen=True)
class Network:
    """Port, allowed IP addresses, trusted certificates and timeout. Tests replace them."""

    port: int = PORT
    may_connect: Callable[[str], bool] = is_public
    trusted: Callable[[], ssl.SSLContext] = _trusted
    timeout_s: float = TIMEOUT_S


def check_photo_url(url: str, *, port: int = PORT) -> SplitResult:
    """The parts of a URL that may be fetched, checked without DNS. Raises BadPhotoUrl."""
    if len(url) > MAXIMUM_URL_LENGTH or not (url.isascii() and url.isprintable()) or set(url) & set(" \\"):
        raise BadPhotoUrl("The address of a photo is one line of at most 2,000 plain characters.")
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme == "https" and "@" not in parts.netloc and (parts.port or port) == port
    except ValueError:
        is_plain = False
    if not is_plain:
        raise BadPhotoUrl("The address of a photo begins with https:// and names no port or password.")
    if parts.hostname not in settings.ENVIRONMENT.photo_hosts:
        raise BadPhotoUrl(f"Photos are not fetched from {parts.hostname}: this host is not in PHOTO_HOSTS.")
    return parts


def fetch(url: str, network: Network = Network()) -> bytes:
    """The bytes at this URL, at most PHOTO_MAXIMUM_BYTES. Raises BadPhotoUrl, PhotoDownloadFailed."""
    parts = check_photo_url(url, port=network.port)
    target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    host = parts.hostname or ""
    connection = _PinnedConnection(host, _resolved(host, network), network)
    try:
        with _cut_off(connection):
            connection.request("GET", target, headers={"Accept": "image/*", "User-Agent": "marketplace"})
            with connection.getresponse() as response:
                return _body(response, connection.until_s)
    except (
        OSError,
        http.client.HTTPException,
        AttributeError,
    ) as error:  # AttributeError: the timer closed the socket
        raise PhotoDownloadFailed(f"{host} did not answer as it should: {type(error).__name__}.") from None
    finally:
        connection.close()


def _resolved(host: str, network: Network) -> str:
    """The IP address to connect to. Raises BadPhotoUrl when the name has any that is not public."""
    try:
        resolved = socket.getaddrinfo(host, network.port, type=socket.SOCK_STREAM)
    except OSError:
        raise PhotoDownloadFailed(f"No address of {host} is known.") from None
    addresses = [str(entry[4][0]) for entry in resolved]
    if not addresses or not all(map(network.may_connect, addresses)):
        raise BadPhotoUrl(f"{host} leads to an address that is not public.")
    return addresses[0]


class _PinnedConnection(http.client.HTTPSConnection):
    """An HTTPS connection to a checked IP address, verified against the host name, with a deadline."""

    def __init__(self, host: str, address: str, network: Network):
        self.tls = network.trusted()
        super().__init__(host, network.port, context=self.tls)
        self.address = address
        self.until_s = time.monotonic() + network.timeout_s
        # http.client drops `sock` early for a body that ends with the connection; `link` stays.
        self.link: ssl.SSLSocket | None = None

    def connect(self) -> None:
        raw = socket.create_connection((self.address, self.port), CONNECT_TIMEOUT_S)
        self.sock = self.link = self.tls.wrap_socket(
            raw, server_hostname=self.host, do_handshake_on_connect=False
        )
        _require_time(self.until_s)  # the timer may have fired before `link` was set
        self.link.do_handshake()


@contextmanager
def _cut_off(connection: _PinnedConnection) -> Iterator[None]:
    """Shut the connection down at its deadline. A socket timeout would restart with each byte."""

    def cut() -> None:
        with suppress(OSError):
            if connection.link is not None:
                # SSLSocket.shutdown would drop the TLS layer, and a reader would get ciphertext as the body.
                socket.socket.shutdown(connection.link, socket.SHUT_RDWR)

    timer = threading.Timer(max(connection.until_s - time.monotonic(), 0), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _require_time(until_s: float) -> None:
    if time.monotonic() >= until_s:
        raise TimeoutError


def _body(response: http.client.HTTPResponse, until_s: float) -> bytes:
    if response.status in WORTH_ANOTHER_TRY:
        raise PhotoDownloadFailed(f"The host of the photo answered {response.status}.")
    if response.status != 200:
        is_redirect = 300 <= response.status < 400
        answer = "sends elsewhere, which is not followed" if is_redirect else f"answered {response.status}"
        raise BadPhotoUrl(f"The host of the photo {answer}.")
    maximum = settings.ENVIRONMENT.photo_maximum_bytes
    data = b""
    while max(len(data), response.length or 0) <= maximum and (chunk := response.read(CHUNK)):
        data += chunk
        _require_time(until_s)
    _require_time(until_s)  # a body cut off by the timer may look complete
    if max(len(data), response.length or 0) > maximum:
        raise BadPhotoUrl(f"The photo has more than {maximum:,} bytes.")
    if response.length:
        raise PhotoDownloadFailed("The photo was cut short.")
    return data
