"""A photo by its address: from hosts that the operator named, and from where those really are.

The name is resolved once and the connection made to that very address, so that no second answer of a name
server leads elsewhere; an address that is not public is refused. Nothing is followed, nothing of ours sent.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from listings.errors import Invalid, Unavailable

PORT = 443
CONNECT_TIMEOUT_S = 3.0
TIMEOUT_S = 10.0  # for all of it, however slowly it trickles in
LONGEST_ADDRESS = 2000
CHUNK = 65_536
WORTH_ANOTHER_TRY = {408, 425, 429, 500, 502, 503, 504}
TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


class BadSource(Invalid):
    """This address is not fetched, now or later. `detail` says why, in one sentence."""

    def __init__(self, detail: str):
        super().__init__(detail, field="photos")


class SourceFailed(Unavailable):
    """It could not be fetched just now."""


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()


def is_public(address: str) -> bool:
    """Whether it lies in the open internet: no private network, no link, no loopback, however it is spelt."""
    parsed = ipaddress.ip_address(address)
    if parsed.version == 6:
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo and parsed.teredo[1])
        if inner or parsed.is_site_local or any(parsed in network for network in TRANSLATED):
            return False
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved or parsed.is_unspecified)


@dataclass(frozen=True)
class Network:
    """What is believed of the world outside. Tests have a small one of their own."""

    port: int = PORT
    may_connect: Callable[[str], bool] = is_public
    trusted: Callable[[], ssl.SSLContext] = _trusted
    timeout_s: float = TIMEOUT_S


def check_address(url: str, *, port: int = PORT) -> SplitResult:
    """The parts of an address that may be fetched. Asks no name server. Raises BadSource."""
    if len(url) > LONGEST_ADDRESS or not (url.isascii() and url.isprintable()) or set(url) & set(" \\"):
        raise BadSource("The address of a photo is one line of at most 2,000 plain characters.")
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme == "https" and "@" not in parts.netloc and (parts.port or port) == port
    except ValueError:
        is_plain = False
    if not is_plain:
        raise BadSource("The address of a photo begins with https:// and names no port or password.")
    if parts.hostname not in settings.ENVIRONMENT.photo_hosts:
        raise BadSource(f"Photos are not fetched from {parts.hostname}; the operator sets PHOTO_HOSTS.")
    return parts


def fetch(url: str, network: Network = Network()) -> bytes:
    """The bytes at this address, at most PHOTO_MAXIMUM_BYTES. Raises BadSource, SourceFailed."""
    parts = check_address(url, port=network.port)
    target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    connection = _PinnedConnection(parts.hostname, _resolved(parts.hostname, network), network)
    try:
        with _cut_off(connection):
            connection.request("GET", target, headers={"Accept": "image/*", "User-Agent": "marketplace"})
            with connection.getresponse() as response:
                return _body(response, connection.until_s)
    except (OSError, http.client.HTTPException, AttributeError) as error:  # or its socket went, cut off
        raise SourceFailed(f"{parts.hostname} did not answer as it should: {type(error).__name__}.") from None
    finally:
        connection.close()


def _resolved(host: str, network: Network) -> str:
    """The one address that is connected to. A name that leads to any that is not public is refused."""
    try:
        found = socket.getaddrinfo(host, network.port, type=socket.SOCK_STREAM)
    except OSError:
        raise SourceFailed(f"No address of {host} is known.") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(map(network.may_connect, addresses)):
        raise BadSource(f"{host} leads to an address that is not public.")
    return addresses[0]


class _PinnedConnection(http.client.HTTPSConnection):
    """To an address that was looked at, with the certificate of the name, for as long as there is time."""

    def __init__(self, host: str, address: str, network: Network):
        super().__init__(host, network.port, context=network.trusted())
        self.address = address
        self.until_s = time.monotonic() + network.timeout_s
        # `sock` is let go of as soon as a body begins that ends with the connection; this one stays.
        self.link: ssl.SSLSocket | None = None

    def connect(self) -> None:
        raw = socket.create_connection((self.address, self.port), CONNECT_TIMEOUT_S)
        self.sock = self.link = self._context.wrap_socket(
            raw, server_hostname=self.host, do_handshake_on_connect=False
        )
        _require_time(self.until_s)  # or nobody is left to cut it off
        self.link.do_handshake()


@contextmanager
def _cut_off(connection: _PinnedConnection):
    """Ends the connection when the time is over: a timeout of sockets begins anew with each byte."""

    def cut() -> None:
        with suppress(OSError, AttributeError, TypeError):  # nothing to cut off yet
            # Not that of TLS, which would have whoever reads now take what is enciphered for the answer.
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
        raise SourceFailed(f"The host of the photo answered {response.status}.")
    if response.status != 200:
        is_elsewhere = 300 <= response.status < 400
        said = "sends elsewhere, which is not followed" if is_elsewhere else f"answered {response.status}"
        raise BadSource(f"The host of the photo {said}.")
    most = settings.ENVIRONMENT.photo_maximum_bytes
    data = b""
    while max(len(data), response.length or 0) <= most and (chunk := response.read(CHUNK)):
        data += chunk
        _require_time(until_s)
    _require_time(until_s)  # what was cut off may look as if it had come to its end
    if max(len(data), response.length or 0) > most:
        raise BadSource(f"The photo has more than {most:,} bytes.")
    if response.length:
        raise SourceFailed("The photo was cut short.")
    return data
