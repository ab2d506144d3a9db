"""Connections to Redis that answer in time or fail: who serves would rather do without than wait.

redis-py by itself tries three times more, seconds apart, where nobody answers.
"""

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.retry import Retry


def link(timeout_s: float, *, connect_timeout_s: float | None = None) -> redis.Redis:
    """A pool of connections. One that was closed meanwhile is opened again, once and at once.

    timeout_s: for each answer, and for each connection where connect_timeout_s is None.
    """
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s if connect_timeout_s is None else connect_timeout_s,
        retry=Retry(NoBackoff(), 1, supported_errors=(NoConnection,)),
    )
