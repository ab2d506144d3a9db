"""How often one caller, and one address, may do what is dear: one Lua script in Redis, so that none slips by.

Each limit is a leaky bucket that holds a minute's worth and drains evenly (GCRA: ITU-T I.371): one number a
caller, and the wait is known to the millisecond. Without Redis logins are closed; all else stays open.
"""

import contextlib
import functools
import hashlib
import ipaddress
import logging
import math
import time
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from redis.commands.core import Script
from rest_framework.exceptions import Throttled
from rest_framework.throttling import BaseThrottle

from listings.callers import READ_METHODS, Caller
from listings.errors import Unavailable
from marketplace.errors import plain_problem
from recommendations import redis_link

ADDRESS_FACTOR = 10  # a household, an office or a phone network shares an address
SITE_FACTOR = 50  # whoever is given a /48 of IPv6 has 65,536 networks of a household in it
NAME_FACTOR = 10  # one name, wherever from: guessing stays slow, and nine strangers keep nobody out
LONGEST_NAME = 500
TIMEOUT_S = 0.5
PAUSE_S = 3.0  # in which what is open without Redis is not asked for, after it did not answer

# KEYS: buckets. ARGV: for each, the ms that a unit takes to drain, its capacity in units, and what is asked.
# Returns 0, or the ms to wait; then nothing was taken from any bucket. By Redis's clock, on which all agree:
# where it was put back, a bucket is full at the most.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local full_at, wait = {}, 0
for i, key in ipairs(KEYS) do
  local drain, capacity, asked = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local kept = math.max(tonumber(redis.call('GET', key) or 0), now)
  full_at[i] = math.min(kept, now + drain * capacity) + drain * asked
  wait = math.max(wait, full_at[i] - now - drain * capacity)
end
if wait > 0.001 then return math.ceil(wait) end
for i, key in ipairs(KEYS) do
  redis.call('SET', key, string.format('%.3f', full_at[i]), 'PX', math.ceil(full_at[i] - now) + 1)
end
return 0
"""

logger = logging.getLogger(__name__)
_scripts: dict[str, Script] = {}


class TooMany(Throttled):
    """More than the limit. `wait` is how many seconds until it is worth trying again."""

    def __init__(self, wait_s: float):
        super().__init__(wait=math.ceil(wait_s))
        self.detail = f"That was too much at once; try again in {self.wait} s."


class LoginsClosed(Unavailable):
    def __init__(self):
        super().__init__("Nobody can log in just now; try again in a moment.")


@dataclass(frozen=True)
class Limit:
    """`setting` names what a person may do in a minute; 0 is no limit."""

    setting: str
    is_closed_without_redis: bool = False

    @property
    def per_minute(self) -> int:
        return getattr(settings.ENVIRONMENT, self.setting)


# A view names its limit as `rate_limit`; docs/access.md shows which has which.
LIMITS = {
    "login": Limit("logins_per_minute", is_closed_without_redis=True),
    "photo search": Limit("photo_searches_per_minute"),
    "upload": Limit("uploads_per_minute"),
    "events": Limit("events_per_minute"),
    "kept pages": Limit("kept_pages_per_minute"),  # a view says `keeps_pages`; no page is refused for it
    "new visitors": Limit("new_visitors_per_minute"),  # among those who send events
}


_away_until = 0.0


class RateLimit(BaseThrottle):
    """For every view of REST framework: the writes of one that names a `rate_limit` count against it.

    The body is read for logins and events alone: of photos that are too many, none is received.
    """

    def allow_request(self, request, view) -> bool:
        name, caller = getattr(view, "rate_limit", None), getattr(request, "caller", None)
        if getattr(view, "keeps_pages", False):
            caller.is_kept = is_kept(caller, request)
        is_write = request.method not in READ_METHODS and hasattr(view, request.method.lower())
        if name is None or not is_write:
            return True
        if name == "login":
            take_login(request, _text(request.data, "username"))
        else:
            cost = _event_count(request.data) if name == "events" else 1
            take(name, buckets_of(caller, request), cost)
        if name == "events" and caller is not None and caller.is_newcomer:
            take_newcomer(request)
        return True


def _event_count(body: object) -> int:
    events = body.get("events") if isinstance(body, dict) else None
    return len(events) if isinstance(events, list) else 1


def _text(body: object, field: str) -> str:
    return str(body.get(field, "")) if isinstance(body, Mapping) else ""


def limited_login(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A login form whose attempts count like those for tokens."""

    @functools.wraps(view)
    def login(request: HttpRequest, *arguments, **options) -> HttpResponse:
        try:
            if request.method == "POST":
                take_login(request, request.POST.get("username", ""))
        except (TooMany, LoginsClosed) as error:
            return plain_problem(error)
        return view(request, *arguments, **options)

    return login


def take(name: str, factors: Mapping[str, int], cost: int = 1) -> None:
    """Count this against each of these callers, who may do so many times what a person may.

    Raises TooMany, having counted nothing, and LoginsClosed. More than all that fits in a bucket counts as
    just that: a batch is not refused for ever.
    """
    limit = LIMITS[name]
    if limit.per_minute == 0 or not factors:
        return
    capacities = [limit.per_minute * factor for factor in factors.values()]
    numbers = [number for most in capacities for number in (60_000 / most, most, min(cost, most))]
    if time.monotonic() < _away_until and not limit.is_closed_without_redis:
        return
    try:
        wait_ms = _script()(keys=[f"limit:{name}:{who}" for who in factors], args=numbers)
    except redis.RedisError as error:
        logger.warning("The limit of %s cannot be asked for: %s", name, type(error).__name__)
        _leave_alone()
        if limit.is_closed_without_redis:
            raise LoginsClosed from None
        return
    if wait_ms:
        raise TooMany(wait_ms / 1000)


def _leave_alone() -> None:
    """Redis may hang: not each request waits to find that out."""
    global _away_until
    _away_until = time.monotonic() + PAUSE_S


def take_login(request: HttpRequest, name: str) -> None:
    """Count an attempt to log in as somebody, from somewhere. Raises TooMany, LoginsClosed.

    Wrong attempts from elsewhere do not lock anybody out: a name has a bucket at each site, beside a larger
    one of its own.
    """
    plain = unicodedata.normalize("NFKC", name.strip()[:LONGEST_NAME])  # as the form of the admin reads it
    digest = hashlib.sha256(plain.strip().casefold().encode("utf-8", "replace")).hexdigest()[:32]
    site = _site(address_of(request))
    own = {f"name:{digest}:{site}": 1, f"name:{digest}": NAME_FACTOR}
    take("login", own | places_of(request))


def is_kept(caller: Caller, request: HttpRequest) -> bool:
    """Whether to keep what this request is shown: rows that a stranger's reading writes are limited."""
    if caller.visitor_id is None:
        return True
    try:
        take("kept pages", buckets_of(caller, request))
    except TooMany:
        return False
    return True


def take_newcomer(request: HttpRequest) -> None:
    """Count a visitor whom nobody knows yet: each is one more person for trending. Raises TooMany."""
    take("new visitors", {place: factor // ADDRESS_FACTOR for place, factor in places_of(request).items()})


def buckets_of(caller: Caller | None, request: HttpRequest) -> dict[str, int]:
    """Whose limits a request counts against, each with how many times a person's it is."""
    if caller is not None and caller.is_service:
        return {caller.source: settings.ENVIRONMENT.service_rate_factor}
    # The id of a visitor whom nobody knows yet is new with each request.
    known = caller is not None and caller.actor is not None
    own = caller.source if known else f"stranger:{address_of(request)}"
    return {own: 1} | places_of(request)


def places_of(request: HttpRequest) -> dict[str, int]:
    """The address of a request and, of IPv6, the site around it, each with how many persons share it."""
    address = address_of(request)
    places = {f"address:{address}": ADDRESS_FACTOR}
    site = _site(address)
    return places if site == address else places | {f"site:{site}": SITE_FACTOR}


def address_of(request: HttpRequest) -> str:
    """Where a request comes from, as the outermost proxy of ours saw it; of IPv6, one customer's network.

    What a client writes into X-Forwarded-For itself stands left of what our proxies add, and is not read.
    """
    address = request.META.get("REMOTE_ADDR") or ""
    if (count := settings.ENVIRONMENT.proxy_count) > 0:
        told = [
            part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()
        ]
        address = told[-count] if len(told) >= count else address
    return _network(address)


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "elsewhere"  # a unix socket, or nonsense: all of it shares one bucket
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def _site(address: str) -> str:
    """The /48 that an IPv6 network of address_of belongs to; any other address is its own."""
    with contextlib.suppress(ValueError):
        return str(ipaddress.IPv6Network(address).supernet(new_prefix=48))
    return address


def _script() -> Script:
    """On connections that answer at once or fail. Where Redis has forgotten the script, it is sent again."""
    url = settings.REDIS_URL
    if url not in _scripts:
        _scripts[url] = redis_link.client(TIMEOUT_S).register_script(TAKE)
    return _scripts[url]
