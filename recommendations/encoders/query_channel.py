"""Replies of the encode worker in Redis, and a cache of encoded queries.

A reply is a list of one entry, which the waiting client pops. Replies that nobody pops expire. Celery's
results are not used: all threads of a process would share one subscription, which blocks them for a long time
when Redis is down.
"""

import hashlib
import json
import time
from dataclasses import dataclass
from typing import cast

import redis

from listings.photos.processing import BadPhoto
from recommendations.core import redis_client
from recommendations.encoders.encoded_query import EncodedQuery

QUEUE = "encode"  # Celery's queue, a list in Redis
CONNECT_TIMEOUT_S = 0.5
REPLY_KEPT_S = 60
CACHED_S = 24 * 3600
CACHED_BYTES = 128_000  # a larger answer is not cached
# Redis holds events and messages too, so the cache keeps only the newest answers of each kind.
CACHED_COUNT = {"words": 20_000, "photo": 2_000}


class EncodeRefused(Exception):
    """The worker could not encode a query. The message says why."""


@dataclass(frozen=True)
class EncodeRequest:
    """Words and a photo to encode. Words that differ only in case or blanks have the same key."""

    words: str
    photo: bytes | None

    @classmethod
    def of(cls, words: str, photo: bytes | None) -> "EncodeRequest":
        plain = words.encode("utf-8", "replace").decode()  # messages cannot carry lone surrogates
        return cls(" ".join(plain.split()), photo)

    def __bool__(self) -> bool:
        return bool(self.words or self.photo)

    @property
    def kind(self) -> str:
        return "photo" if self.photo else "words"

    def key(self, encoder_version: str) -> str:
        """The key of the cached answer in Redis: a digest, so that its length is constant."""
        digest = hashlib.sha256(self.words.casefold().encode() + b"\0")
        digest.update(hashlib.sha256(self.photo).digest() if self.photo else b"")
        return f"encode:{self.kind}:{encoder_version}:{digest.hexdigest()}"


def client(timeout_s: float) -> redis.Redis:
    """This process's client of Redis that waits so long for an answer."""
    return redis_client.client(timeout_s, connect_timeout_s=CONNECT_TIMEOUT_S)


def read_cache(
    link: redis.Redis, question: EncodeRequest, encoder_version: str
) -> tuple[EncodedQuery | None, int]:
    """The cached answer if there is one, and the number of queries that wait.  Raises RedisError."""
    with link.pipeline(transaction=False) as pipe:
        pipe.get(question.key(encoder_version))
        pipe.llen(QUEUE)
        cached, waiting_count = pipe.execute()
    return _read(cached), waiting_count


def _read(cached: bytes | None) -> EncodedQuery | None:
    try:
        return EncodedQuery.from_json(json.loads(cached)) if cached else None
    except (ValueError, KeyError, TypeError):  # written by another release
        return None


def send_reply(link: redis.Redis, reply_to: str, question: EncodeRequest, encoded: EncodedQuery) -> None:
    """Reply with an encoded query, and cache it for later queries."""
    answer = encoded.to_json()
    with link.pipeline(transaction=True) as pipe:
        _reply(pipe, reply_to, {"encoded": answer})
        value, now = json.dumps(answer), time.time()
        if len(value) <= CACHED_BYTES:
            key = question.key(encoded.encoder_version)
            pipe.set(key, value, ex=CACHED_S)
            pipe.zadd(_newest(question.kind), {key: now})
        pipe.execute()
    _evict_oldest(link, question.kind)


def refuse(link: redis.Redis, reply_to: str, reason: str) -> None:
    """Reply that the query cannot be encoded."""
    with link.pipeline(transaction=True) as pipe:
        _reply(pipe, reply_to, {"refused": reason})
        pipe.execute()


def refuse_photo(link: redis.Redis, reply_to: str, reason: str) -> None:
    """Reply that the photo of the query is none, or is damaged."""
    with link.pipeline(transaction=True) as pipe:
        _reply(pipe, reply_to, {"bad_photo": reason})
        pipe.execute()


def wait(link: redis.Redis, reply_to: str, timeout_s: float) -> EncodedQuery | None:
    """Wait for the reply; None when there is none in time. Raises BadPhoto, EncodeRefused, RedisError."""
    popped = link.blpop([reply_to], timeout=timeout_s)
    if popped is None:
        return None
    reply = json.loads(popped[1])
    if "bad_photo" in reply:
        raise BadPhoto(reply["bad_photo"])
    if "refused" in reply:
        raise EncodeRefused(reply["refused"])
    return EncodedQuery.from_json(reply["encoded"])


def _reply(pipe, reply_to: str, reply: dict) -> None:
    pipe.rpush(reply_to, json.dumps(reply))
    pipe.expire(reply_to, REPLY_KEPT_S)


def _newest(kind: str) -> str:
    """The key of the sorted set that orders the cached answers of a kind by time."""
    return f"encode:newest:{kind}"


def _evict_oldest(link: redis.Redis, kind: str) -> None:
    excess = link.zcard(_newest(kind)) - CACHED_COUNT[kind]
    if excess > 0:
        oldest = cast("list[tuple[bytes, float]]", link.zpopmin(_newest(kind), excess))
        if oldest:
            link.delete(*(key for key, _ in oldest))
