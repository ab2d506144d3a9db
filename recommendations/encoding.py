"""Asks the encode worker what a query's photo and words are in the space of the active encoder.

Serving processes hold no torch. The worker may be slow, dead or crash over a photo, and Redis may be away:
each costs a query its vectors and a short time, and the next ones less.
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

from recommendations import answers, encoders, tasks
from recommendations.answers import Question
from recommendations.encoded import Encoded

QUICK_S = 0.5  # for what Redis answers at once
VERSION_KEPT_S = 1.0
PAUSE_S = 3.0  # without asking again, once the worker or Redis was found dead
WAITING_COUNT = 16  # so many questions in the queue will not be answered in time: one more is not asked
PUBLISHING = {"max_retries": 0, "socket_timeout": QUICK_S, "socket_connect_timeout": QUICK_S}

logger = logging.getLogger(__name__)


class EncodingUnavailable(Exception):
    """A query could not be encoded. The message says why, to anybody; search goes on without vectors."""


class Breaker:
    """Remembers for a while that something did not answer, so that not each query waits for it."""

    def __init__(self) -> None:
        self._until = 0.0
        self._why = ""

    def trip(self, why: str) -> None:
        self._why, self._until = why, time.monotonic() + PAUSE_S

    def check(self) -> None:
        """Raises EncodingUnavailable while it is open."""
        if time.monotonic() < self._until:
            raise EncodingUnavailable(f"{self._why} It is asked again in a moment.")


class Door:
    """The way of one process to the encode worker; any number of threads go through it at once."""

    def __init__(self) -> None:
        self._quick = answers.client(QUICK_S)
        self._patient = answers.client(settings.ENVIRONMENT.encode_timeout_s + QUICK_S)
        self._worker, self._redis = Breaker(), Breaker()
        self._version, self._version_until = "", 0.0
        self._producers: ProducerPool | None = None
        self._opening = threading.Lock()

    def encode(self, question: Question) -> Encoded:
        """Raises EncodingUnavailable."""
        self._redis.check()
        version = self._active_version()
        with self._redis_errors():
            found, waiting_count = answers.look_up(self._quick, question, version)
        if found is not None:
            return found
        self._worker.check()
        if waiting_count >= WAITING_COUNT:
            raise EncodingUnavailable(f"{waiting_count} queries wait for the encode worker already.")
        return self._ask(question)

    def _ask(self, question: Question) -> Encoded:
        timeout_s = settings.ENVIRONMENT.encode_timeout_s
        deadline, reply_to = time.monotonic() + timeout_s, f"encode:reply:{uuid4().hex}"
        with self._redis_errors():
            self._send(question, reply_to, timeout_s)
            # 0 would wait for ever.
            found = answers.wait(self._patient, reply_to, max(deadline - time.monotonic(), 0.01))
        if found is None:
            self._worker.trip(f"The encode worker did not answer in {timeout_s:g} s.")
            self._worker.check()
        return found

    def _send(self, question: Question, reply_to: str, timeout_s: float) -> None:
        photo = base64.b64encode(question.photo).decode() if question.photo else None
        with self._pool().acquire(block=True, timeout=QUICK_S) as producer:
            tasks.encode_query.apply_async(
                kwargs={"words": question.words, "photo": photo, "reply_to": reply_to},
                expires=timeout_s,  # a worker that comes back does not encode for nobody
                producer=producer,
                retry=False,
            )

    def _pool(self) -> ProducerPool:
        """Connections for publishing that fail where those of workers wait."""
        with self._opening:
            if self._producers is None:
                link = tasks.encode_query.app.connection_for_write(transport_options=PUBLISHING)
                self._producers = producers[link]
            return self._producers

    def _active_version(self) -> str:
        if time.monotonic() >= self._version_until:
            self._version, self._version_until = _read_version(), time.monotonic() + VERSION_KEPT_S
        return self._version

    @contextmanager
    def _redis_errors(self) -> Iterator[None]:
        try:
            yield
        except answers.Refused as error:
            raise EncodingUnavailable(str(error)) from None
        except (RedisError, KombuError, OSError) as error:
            logger.warning("Redis does not answer: %s", error)
            self._redis.trip("Redis does not answer.")
            raise EncodingUnavailable("Redis does not answer.") from error


def _read_version() -> str:
    try:
        model = encoders.active()
    except OperationalError as error:
        raise EncodingUnavailable("The database does not answer.") from error
    if model is None:
        raise EncodingUnavailable("No encoder was chosen yet: run `manage.py embed`.")
    return model.version


_door: Door | None = None
_making = threading.Lock()


def encode(*, words: str = "", photo: bytes | None = None) -> Encoded:
    """What these words and this photo are in the space of the active encoder, from the cache or the worker.

    photo: a JPEG as listings.photos.receive made it. Waits ENCODE_TIMEOUT_S at most.
    Raises EncodingUnavailable, whatever is the matter.
    """
    question = Question.of(words, photo)
    if not question:
        raise EncodingUnavailable("There are neither words nor a photo to encode.")
    return door().encode(question)


def door() -> Door:
    """This process's door."""
    global _door
    with _making:
        if _door is None:
            _door = Door()
        return _door
