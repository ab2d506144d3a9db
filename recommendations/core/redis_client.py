"""Clients of Redis that answer in time or fail. Web processes would rather do without Redis than wait.

By default redis-py tries a server that does not answer three more times, seconds apart.
"""

from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.retry import Retry


def client(timeout_s: float, *, connect_timeout_s: float | None = None) -> redis.Redis:
    """The client of this process with these timeouts, for the address in REDIS_URL. Never close it.

    timeout_s: for each answer, and for each connection where connect_timeout_s is None.
    """
    return _shared(
        settings.REDIS_URL, timeout_s, timeout_s if connect_timeout_s is None else connect_timeout_s
    )


def new_client(timeout_s: float) -> redis.Redis:
    """A client with a connection pool of its own, which the caller closes: `with link(1) as client`."""
    return _client(settings.REDIS_URL, timeout_s, timeout_s)


@cache
def _shared(url: str, timeout_s: float, connect_timeout_s: float) -> redis.Redis:
    return _client(url, timeout_s, connect_timeout_s)


def _client(url: str, timeout_s: float, connect_timeout_s: float) -> redis.Redis:
    """A client that opens a connection which was closed meanwhile again, once and at once."""
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=connect_timeout_s,
        retry=Retry(NoBackoff(), 1, supported_errors=(NoConnection,)),
    )
