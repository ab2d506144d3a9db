"""Client of the encode worker: turns the photo and the words of a query into vectors.

Serving processes do not load torch. The worker may be slow or dead, and Redis may be down: then a query waits
for a short time and goes on without vectors, and a circuit breaker spares the next queries the wait.
"""

import base64
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from django.conf import settings
from django.db import OperationalError
from kombu.exceptions import KombuError
from kombu.pools import ProducerPool, producers
from redis.exceptions import RedisError

from listings.errors import Unavailable
from recommendations.encoders import query_channel, selection
from recommendations.encoders import tasks as encoders_tasks
from recommendations.encoders.encoded_query import EncodedQuery
from recommendations.encoders.query_channel import EncodeRequest


class EncoderUnreachable(Unavailable):
    """The encode worker or Redis does not answer, so photos and words cannot be encoded now."""

    def __init__(self):
        super().__init__("Photos and words cannot be read just now; try again in a moment.")


QUICK_S = 0.5  # timeout of commands that Redis answers at once
VERSION_KEPT_S = 1.0
PAUSE_S = 3.0  # for which a breaker stays open after the worker or Redis did not answer
WAITING_COUNT = 16  # length of the queue from which on an answer would come too late
WAITING_PHOTO_COUNT = (
    3  # the same for a photo, which takes longer to encode and a thread of a web process to wait for
)
PUBLISHING = {"max_retries": 0, "socket_timeout": QUICK_S, "socket_connect_timeout": QUICK_S}

logger = logging.getLogger(__name__)


class EncodingUnavailable(Exception):
    """A query could not be encoded; search goes on without vectors. The message may be shown to anybody."""


class CircuitBreaker:
    """Circuit breaker: after a failure, calls fail at once for PAUSE_S."""

    def __init__(self) -> None:
        self._open_until = 0.0
        self._reason = ""

    def trip(self, reason: str) -> None:
        """Open it."""
        self._reason, self._open_until = reason, time.monotonic() + PAUSE_S

    def check(self) -> None:
        """Raises EncodingUnavailable while it is open."""
        if time.monotonic() < self._open_until:
            raise self.refusal()

    def refusal(self) -> EncodingUnavailable:
        """The error of calls while it is open."""
        return EncodingUnavailable(f"{self._reason} It is asked again in a moment.")


class EncodeClient:
    """One process's client of the encode worker. Safe for any number of threads at once."""

    def __init__(self) -> None:
        self._quick = query_channel.client(QUICK_S)
        self._patient = query_channel.client(settings.ENVIRONMENT.encode_timeout_s + QUICK_S)
        self._worker, self._redis = CircuitBreaker(), CircuitBreaker()
        self._version, self._version_until = "", 0.0
        self._producers: ProducerPool | None = None
        self._opening = threading.Lock()

    def encode(self, question: EncodeRequest) -> EncodedQuery:
        """The encoded query, from the cache or the worker. Raises EncodingUnavailable, BadPhoto."""
        self._redis.check()
        version = self._active_version()
        with self._redis_errors():
            cached, waiting_count = query_channel.read_cache(self._quick, question, version)
        if cached is not None:
            return cached
        self._worker.check()
        if waiting_count >= (WAITING_PHOTO_COUNT if question.photo else WAITING_COUNT):
            raise EncodingUnavailable(f"{waiting_count} queries wait for the encode worker already.")
        return self._ask_worker(question)

    def _ask_worker(self, question: EncodeRequest) -> EncodedQuery:
        timeout_s = settings.ENVIRONMENT.encode_timeout_s
        deadline, reply_to = time.monotonic() + timeout_s, f"encode:reply:{uuid4().hex}"
        with self._redis_errors():
            self._send(question, reply_to, timeout_s)
            # A timeout of 0 would wait for ever.
            encoded = query_channel.wait(self._patient, reply_to, max(deadline - time.monotonic(), 0.01))
        if encoded is None:
            self._worker.trip(f"The encode worker did not answer in {timeout_s:g} s.")
            raise self._worker.refusal()
        return encoded

    def _send(self, question: EncodeRequest, reply_to: str, timeout_s: float) -> None:
        photo = base64.b64encode(question.photo).decode() if question.photo else None
        with self._pool().acquire(block=True, timeout=QUICK_S) as producer:
            encoders_tasks.encode_query.apply_async(
                kwargs={"words": question.words, "photo": photo, "reply_to": reply_to},
                expires=timeout_s,  # nobody waits for the answer after that
                producer=producer,
                retry=False,
            )

    def _pool(self) -> ProducerPool:
        """Connections for publishing. They fail fast, where those of workers wait for the broker."""
        with self._opening:
            if self._producers is None:
                connection = encoders_tasks.encode_query.app.connection_for_write(
                    transport_options=PUBLISHING
                )
                self._producers = producers[connection]
            return self._producers

    def _active_version(self) -> str:
        if time.monotonic() >= self._version_until:
            self._version, self._version_until = _read_version(), time.monotonic() + VERSION_KEPT_S
        return self._version

    @contextmanager
    def _redis_errors(self) -> Iterator[None]:
        """Turn errors of Redis and refusals of the worker into EncodingUnavailable."""
        try:
            yield
        except query_channel.EncodeRefused as error:
            raise EncodingUnavailable(str(error)) from None
        except (RedisError, KombuError, OSError) as error:
            logger.warning(
                "A query could not be encoded, since Redis does not answer (%s). Search goes on by words "
                "alone; check Redis",
                error,
            )
            self._redis.trip("Redis does not answer.")
            raise EncodingUnavailable("Redis does not answer.") from error


def _read_version() -> str:
    try:
        model = selection.active_encoder()
    except OperationalError as error:
        raise EncodingUnavailable("The database does not answer.") from error
    if model is None:
        raise EncodingUnavailable("No encoder was chosen yet: run `manage.py embed`.")
    return model.version


_client: EncodeClient | None = None
_making = threading.Lock()


def encode(*, words: str = "", photo: bytes | None = None) -> EncodedQuery:
    """Words and a photo as vectors of the active encoder, from the cache or the encode worker.

    photo: a file that listings.photos.processing.check has checked. Waits ENCODE_TIMEOUT_S at most.
    Raises BadPhoto for a photo that cannot be decoded, else EncodingUnavailable, whatever failed.
    """
    question = EncodeRequest.of(words, photo)
    if not question:
        raise EncodingUnavailable("There are neither words nor a photo to encode.")
    return encode_client().encode(question)


def encode_client() -> EncodeClient:
    """The client of this process, made at the first call."""
    global _client
    with _making:
        if _client is None:
            _client = EncodeClient()
        return _client


def encode_or_raise(*, words: str = "", photo: bytes | None = None) -> EncodedQuery:
    """The encoded query, for callers that cannot answer without it. Raises EncoderUnreachable, BadPhoto."""
    try:
        return encode(words=words, photo=photo)
    except EncodingUnavailable as error:
        raise EncoderUnreachable from error
