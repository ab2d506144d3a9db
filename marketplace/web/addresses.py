"""The addresses of clients, as limits count them: an IPv6 /64 is one address, and a /48 is one site.

And those of requests, which may lack their last slash.
"""

import contextlib
import ipaddress
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import is_valid_path

ADDRESS_FACTOR = 10  # households, offices and phone networks share an address
API = "/api/"
WRITING = frozenset({"PUT", "PATCH", "POST", "DELETE"})  # whose bodies a redirect would lose
SITE_FACTOR = 50  # an IPv6 /48 holds 65,536 household networks


def address_buckets(request: HttpRequest) -> dict[str, int]:
    """The buckets of a request's IP address and its IPv6 site, with the number of persons sharing each."""
    address = address_of(request)
    places = {f"address:{address}": ADDRESS_FACTOR}
    site = site_of(address)
    return places if site == address else places | {f"site:{site}": SITE_FACTOR}


def address_of(request: HttpRequest) -> str:
    """The client's IP address as seen by our outermost proxy; for IPv6, its /64 network.

    Entries of X-Forwarded-For that the client wrote itself, left of those of our proxies, are ignored.
    """
    address = request.META.get("REMOTE_ADDR") or ""
    if (count := settings.ENVIRONMENT.proxy_count) > 0:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        addresses = [part.strip() for part in forwarded if part.strip()]
        address = addresses[-count] if len(addresses) >= count else address
    return _network(address)


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "elsewhere"  # a unix socket or a malformed address: all share one bucket
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def site_of(address: str) -> str:
    """The /48 around an IPv6 network of address_of. Other addresses are returned unchanged."""
    with contextlib.suppress(ValueError):
        return str(ipaddress.IPv6Network(address).supernet(new_prefix=48))
    return address


class WholeAddressMiddleware:
    """Answers a write to the API whose address lacks its last slash as the address with it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path_info
        if (
            request.method in WRITING
            and path.startswith(API)
            and not path.endswith("/")
            and not is_valid_path(path)
            and is_valid_path(f"{path}/")
        ):
            request.path_info, request.path = f"{path}/", f"{request.path}/"
        return self.get_response(request)
