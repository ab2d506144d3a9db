"""Rate limits for each caller and IP address, by one atomic Lua script in Redis.

Each limit is a leaky bucket that holds a minute's requests and drains evenly (GCRA: ITU-T I.371). It takes
one number for each caller and gives the exact waiting time. Without Redis, logins are refused and everything
else is unlimited.
"""

import functools
import hashlib
import logging
import math
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import redis
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from redis.commands.core import Script
from rest_framework.exceptions import ErrorDetail, Throttled
from rest_framework.throttling import BaseThrottle

from listings.callers import READ_METHODS, Caller
from listings.errors import Unavailable
from marketplace.web.addresses import ADDRESS_FACTOR, address_buckets, address_of, site_of
from marketplace.web.errors import plain_problem
from recommendations.core import redis_client

NAME_FACTOR = 10  # logins by one name from anywhere: guessing stays slow, and a few strangers lock nobody out
LONGEST_NAME = 500
SHARE_OF_ADDRESS = 20  # believed events a day of one address for one listing, by all its visitors
SHARE_OF_SITE = 100  # the same for an IPv6 /48, whose owner has 65,536 addresses
SHARE_PERIOD_S = 24 * 3600
TIMEOUT_S = 0.5
PAUSE_S = 3.0  # limits are not checked for this long after Redis did not answer

# KEYS: buckets. ARGV, for each bucket: ms to drain a unit, capacity in units, units requested. Returns 0, or
# the ms to wait, in which case no bucket changes. Uses the clock of Redis, which all processes share; after
# it is set back, a bucket is at most full.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local full_at, wait = {}, 0
for i, key in ipairs(KEYS) do
  local drain, capacity, cost = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local kept = math.max(tonumber(redis.call('GET', key) or 0), now)
  full_at[i] = math.min(kept, now + drain * capacity) + drain * cost
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


class RateLimitExceeded(Throttled):
    """The limit is exceeded. `wait` is the number of seconds until a retry can succeed."""

    def __init__(self, wait_s: float):
        seconds = math.ceil(wait_s)
        super().__init__(wait=seconds)
        self.detail = ErrorDetail(f"That was too much at once; try again in {seconds} s.", self.default_code)


class LoginsClosed(Unavailable):
    def __init__(self):
        super().__init__("Nobody can log in just now; try again in a moment.")


@dataclass(frozen=True)
class Limit:
    """`setting` is the setting with a person's requests a minute; 0 means unlimited."""

    setting: str
    is_closed_without_redis: bool = False

    @property
    def per_minute(self) -> int:
        return getattr(settings.ENVIRONMENT, self.setting)


# A view names its limit in `rate_limit`; docs/access.md lists them.
LIMITS = {
    "login": Limit("logins_per_minute", is_closed_without_redis=True),
    "photo search": Limit("photo_searches_per_minute"),
    "upload": Limit("uploads_per_minute"),
    "listing writes": Limit("listing_writes_per_minute"),
    "events": Limit("events_per_minute"),
    "kept pages": Limit("kept_pages_per_minute"),  # for views with `keeps_pages`; never refuses a page
    "new visitors": Limit("new_visitors_per_minute"),  # for views that record events
}


_away_until = 0.0


class RateLimit(BaseThrottle):
    """Throttle of every REST view: writes count against the view's `rate_limit`.

    The body is read for logins and events only, so that refused photo uploads are not received.
    """

    def allow_request(self, request, view) -> bool:
        name, caller = getattr(view, "rate_limit", None), getattr(request, "caller", None)
        if caller is not None and getattr(view, "keeps_pages", False):
            caller.is_kept = keeps_slates(caller, request)
        is_write = request.method not in READ_METHODS and hasattr(view, request.method.lower())
        if name is None or not is_write:
            return True
        if name == "login":
            count_login(request, _text(request.data, "username"))
        else:
            buckets = buckets_of(caller, request)
            count_against(name, buckets, _event_count(request.data) if name == "events" else 1)
            request.charge = functools.partial(count_against, name, buckets)
        if name == "events" and caller is not None and caller.is_new_visitor:
            count_new_visitor(request)
        if name == "events" and caller is not None and caller.visitor_id is not None:
            caller.doubted_listings = beyond_share(request, _listings_of(view, request.data))
        return True


def _event_count(body: object) -> int:
    events = body.get("events") if isinstance(body, dict) else None
    return len(events) if isinstance(events, list) else 1


def _listings_of(view, body: object) -> Counter[str]:
    """How many events each listing gets: the one in the address, else those in the body."""
    if named := view.kwargs.get("listing_id"):
        return Counter([named])
    events = body.get("events", [body]) if isinstance(body, Mapping) else []
    names = (event.get("listing") for event in events if isinstance(event, Mapping))
    return Counter(name for name in names if isinstance(name, str))


def _text(body: object, field: str) -> str:
    return str(body.get(field, "")) if isinstance(body, Mapping) else ""


def limited_login(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """The login view, with attempts counted like those of the token API."""

    @functools.wraps(view)
    def login(request: HttpRequest, *arguments, **options) -> HttpResponseBase:
        try:
            if request.method == "POST":
                count_login(request, request.POST.get("username", ""))
        except (RateLimitExceeded, LoginsClosed) as error:
            return plain_problem(error)
        return view(request, *arguments, **options)

    return login


def count_against(name: str, factors: Mapping[str, int], cost: int = 1) -> None:
    """Count `cost` against each of these buckets, whose capacity is the factor times a person's limit.

    Raises RateLimitExceeded, without counting anything, and LoginsClosed. A cost above the capacity counts
    as the capacity, so that a large batch is not refused for ever.
    """
    limit = LIMITS[name]
    if limit.per_minute == 0 or not factors:
        return
    capacities = [limit.per_minute * factor for factor in factors.values()]
    arguments = [
        number for capacity in capacities for number in (60_000 / capacity, capacity, min(cost, capacity))
    ]
    if time.monotonic() < _away_until and not limit.is_closed_without_redis:
        return
    try:
        wait_ms = _script()(keys=[f"limit:{name}:{bucket}" for bucket in factors], args=arguments)
    except redis.RedisError as error:
        outcome = "logins are refused" if limit.is_closed_without_redis else "requests are not limited"
        logger.warning(
            "Redis did not answer for the limit of %s; %s until it does: %s",
            name,
            outcome,
            type(error).__name__,
        )
        _pause()
        if limit.is_closed_without_redis:
            raise LoginsClosed from None
        return
    if wait_ms:
        raise RateLimitExceeded(wait_ms / 1000)


def _pause() -> None:
    """Skip Redis for PAUSE_S, so that not every request waits for its timeout."""
    global _away_until
    _away_until = time.monotonic() + PAUSE_S


def count_login(request: HttpRequest, name: str) -> None:
    """Count a login attempt by name and IP address. Raises RateLimitExceeded, LoginsClosed.

    A name has a bucket for each site and a larger one for all sites, so that attempts from elsewhere do not
    lock its owner out.
    """
    plain = unicodedata.normalize("NFKC", name.strip()[:LONGEST_NAME])  # as the admin's form normalises it
    digest = hashlib.sha256(plain.strip().casefold().encode("utf-8", "replace")).hexdigest()[:32]
    site = site_of(address_of(request))
    own = {f"name:{digest}:{site}": 1, f"name:{digest}": NAME_FACTOR}
    count_against("login", own | address_buckets(request))


def keeps_slates(caller: Caller, request: HttpRequest) -> bool:
    """Whether to store the slates of this request. Limited for visitors, whose reading would fill tables."""
    if caller.visitor_id is None:
        return True
    try:
        count_against("kept pages", buckets_of(caller, request))
    except RateLimitExceeded:
        return False
    return True


def count_new_visitor(request: HttpRequest) -> None:
    """Count a new visitor, who would count as another person in trending. Raises RateLimitExceeded."""
    count_against(
        "new visitors",
        {place: factor // ADDRESS_FACTOR for place, factor in address_buckets(request).items()},
    )


def beyond_share(request: HttpRequest, event_counts: Mapping[str, int]) -> frozenset[str]:
    """Count events of visitors for listings by address and site. Returns the listings with too many today.

    Whoever throws the cookie away is another visitor, and would count as many people. Nothing is counted
    while Redis does not answer, nor where the address would be that of a proxy.
    """
    if not event_counts or settings.ENVIRONMENT.address_problem or time.monotonic() < _away_until:
        return frozenset()
    address = address_of(request)
    shares = {site_of(address): SHARE_OF_SITE, address: SHARE_OF_ADDRESS}  # for IPv4 both are one
    counted = [(listing, place) for listing in event_counts for place in shares]
    try:
        with redis_client.client(TIMEOUT_S).pipeline(transaction=False) as pipe:
            for listing, place in counted:
                key = _share_key(place, listing)
                pipe.set(key, 0, ex=SHARE_PERIOD_S, nx=True)
                pipe.incrby(key, event_counts[listing])
            totals = pipe.execute()[1::2]
    except redis.RedisError:
        _pause()
        return frozenset()
    return frozenset(
        listing for (listing, place), total in zip(counted, totals, strict=True) if total > shares[place]
    )


def _share_key(place: str, listing: str) -> str:
    digest = hashlib.sha256(f"{place} {listing}".encode("utf-8", "replace")).hexdigest()
    return f"limit:share:{digest[:32]}"


def buckets_of(caller: Caller | None, request: HttpRequest) -> dict[str, int]:
    """The buckets of a request, each with its multiple of a person's limit."""
    if caller is not None and caller.is_service:
        return {caller.source: settings.ENVIRONMENT.service_rate_factor}
    # A visitor without an actor has a new id in each request.
    if caller is not None and caller.actor is not None:
        own = caller.source
    else:
        own = f"stranger:{address_of(request)}"
    return {own: 1} | address_buckets(request)


def _script() -> Script:
    """The script on a connection with a short timeout. It is sent again when Redis has lost it."""
    url = settings.REDIS_URL
    if url not in _scripts:
        _scripts[url] = redis_client.client(TIMEOUT_S).register_script(TAKE)
    return _scripts[url]
