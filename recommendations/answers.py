"""What the encode worker answers, in Redis: a reply for who waits, a cache for who asks the same again.

A reply is a list with one entry that its asker pops; one that nobody waits for any more expires. Celery's own
results are not used: all threads of a process would share one subscription, which reconnects for a long time
when Redis is away.
"""

import hashlib
import json
import time
from dataclasses import dataclass

import redis

from recommendations import redis_link
from recommendations.encoded import Encoded

QUEUE = "encode"  # the queue of questions is a list of this name
CONNECT_TIMEOUT_S = 0.5
REPLY_KEPT_S = 60
CACHED_S = 24 * 3600
CACHED_BYTES = 128_000  # a larger answer is not kept
# Redis holds events and work besides: of each kind only the newest answers stay.
CACHED_COUNT = {"words": 20_000, "photo": 2_000}


class Refused(Exception):
    """The worker could not encode it. The message says why."""


@dataclass(frozen=True)
class Question:
    """What is asked. Words that differ in case or blanks alone are the same."""

    words: str
    photo: bytes | None

    @classmethod
    def of(cls, words: str, photo: bytes | None) -> "Question":
        plain = words.encode("utf-8", "replace").decode()  # a lone surrogate has no place in a message
        return cls(" ".join(plain.split()), photo)

    def __bool__(self) -> bool:
        return bool(self.words or self.photo)

    @property
    def kind(self) -> str:
        return "photo" if self.photo else "words"

    def key(self, encoder_version: str) -> str:
        """Of the same length whatever was asked."""
        digest = hashlib.sha256(self.words.casefold().encode() + b"\0")
        digest.update(hashlib.sha256(self.photo).digest() if self.photo else b"")
        return f"encode:{self.kind}:{encoder_version}:{digest.hexdigest()}"


def client(timeout_s: float) -> redis.Redis:
    """This process's client of Redis that waits so long for an answer."""
    return redis_link.client(timeout_s, connect_timeout_s=CONNECT_TIMEOUT_S)


def look_up(link: redis.Redis, question: Question, encoder_version: str) -> tuple[Encoded | None, int]:
    """The cached answer if there is one, and how many questions wait for the worker.  Raises RedisError."""
    with link.pipeline(transaction=False) as pipe:
        pipe.get(question.key(encoder_version))
        pipe.llen(QUEUE)
        kept, waiting_count = pipe.execute()
    return _read(kept), waiting_count


def _read(kept: bytes | None) -> Encoded | None:
    try:
        return Encoded.from_json(json.loads(kept)) if kept else None
    except (ValueError, KeyError, TypeError):  # written by another release
        return None


def give(link: redis.Redis, reply_to: str, question: Question, encoded: Encoded) -> None:
    """Reply, and keep the answer: it serves the next who asks even when this one waits no longer."""
    said = encoded.to_json()
    with link.pipeline(transaction=True) as pipe:
        _reply(pipe, reply_to, {"encoded": said})
        value, now = json.dumps(said), time.time()
        if len(value) <= CACHED_BYTES:
            key = question.key(encoded.encoder_version)
            pipe.set(key, value, ex=CACHED_S)
            pipe.zadd(_newest(question.kind), {key: now})
        pipe.execute()
    _forget_oldest(link, question.kind)


def refuse(link: redis.Redis, reply_to: str, why: str) -> None:
    """Tell that it cannot be encoded."""
    with link.pipeline(transaction=True) as pipe:
        _reply(pipe, reply_to, {"refused": why})
        pipe.execute()


def wait(link: redis.Redis, reply_to: str, timeout_s: float) -> Encoded | None:
    """The answer; None when there is none in time. Raises Refused, RedisError."""
    popped = link.blpop([reply_to], timeout=timeout_s)
    if popped is None:
        return None
    said = json.loads(popped[1])
    if "refused" in said:
        raise Refused(said["refused"])
    return Encoded.from_json(said["encoded"])


def _reply(pipe, reply_to: str, said: dict) -> None:
    pipe.rpush(reply_to, json.dumps(said))
    pipe.expire(reply_to, REPLY_KEPT_S)


def _newest(kind: str) -> str:
    return f"encode:newest:{kind}"


def _forget_oldest(link: redis.Redis, kind: str) -> None:
    excess = link.zcard(_newest(kind)) - CACHED_COUNT[kind]
    if excess > 0 and (oldest := link.zpopmin(_newest(kind), excess)):
        link.delete(*(key for key, _ in oldest))
