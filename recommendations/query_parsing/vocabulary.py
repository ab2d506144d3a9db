"""Vocabulary of the catalogue: its words and how many listings hold each, learnt and kept in Redis."""

import json
import logging
import math
import zlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import groupby
from typing import cast

import redis
from django.db import connection
from rapidfuzz import process
from rapidfuzz.distance import OSA
from redis.typing import EncodableT, FieldT

from listings.models import Listing
from listings.words import BREAK, plain_word, stem
from recommendations.core import redis_client

KEY = "vocabulary"
RELEARN_AFTER = timedelta(minutes=5)
MOST_LISTINGS = 100_000  # the newest ones
MOST_WORDS = 100_000
OFTEN = 5  # listings that make a word count when no title holds it
ENOUGH = 2  # listings that make a word a correction: a rarer one may be misspelt itself
RAREST = 4  # listings that a word counts as at least: rarer ones say no more
LONG = 8  # letters: from here on two mistakes are corrected
LONGEST = 32

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Vocabulary:
    """The words of the catalogue with their document frequencies."""

    listing_count: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def information(self, words: Iterable[str]) -> float:
        """Inverse document frequency of the rarest of these words, in nats; 1 while nothing is known."""
        return max(map(self._information, words))

    def _information(self, word: str) -> float:
        if not self.counts:
            return 1.0
        return math.log(1 + self.listing_count / max(self.listings_with(word), RAREST))

    def listings_with(self, word: str) -> int:
        """The number of listings that hold the word, or the most frequent form of it."""
        return max(self.counts.get(word, 0), self._stem_counts.get(stem(word), 0))

    def is_usual(self, word: str) -> bool:
        """Whether at least ENOUGH listings hold the word, or a form of it."""
        return self.listings_with(word) >= ENOUGH

    def knows(self, word: str) -> bool:
        """Whether a listing holds the word, or another word of the same stem."""
        return word in self.counts or stem(word) in self._stem_counts

    def has_prefix(self, beginning: str) -> bool:
        """Whether a word of the vocabulary has this prefix."""
        position = bisect_left(self._sorted, beginning)
        return position < len(self._sorted) and self._sorted[position].startswith(beginning)

    def nearest(self, word: str) -> str | None:
        """The correction with the fewest mistakes, then the most listings; None if none is near enough.

        Of equally near words, one with the same letters goes first, but for a doubled one or their order.
        """
        allowed = 1 if len(word) < LONG else 2
        lengths = range(len(word) - allowed, len(word) + allowed + 1)
        candidates = [known for length in lengths for known in self._by_length.get(length, ())]
        near = process.extract(word, candidates, scorer=OSA.distance, score_cutoff=allowed, limit=None)
        ranked = [
            (mistakes, not _is_slip(word, known), -self.counts[known], known)
            for known, mistakes, _ in near
            if known != word and _is_plausible(word, known)
        ]
        return min(ranked)[-1] if ranked else None

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(word for word, count in self.counts.items() if count >= ENOUGH)

    @cached_property
    def _stem_counts(self) -> dict[str, int]:
        """The most listings that hold any one word of a stem."""
        counts: dict[str, int] = {}
        for word, count in self.counts.items():
            root = stem(word)
            counts[root] = max(counts.get(root, 0), count)
        return counts

    @cached_property
    def _by_length(self) -> dict[int, list[str]]:
        """The words that may be corrections, by their length."""
        groups = defaultdict(list)
        for word in self._sorted:
            if word.isalpha():
                groups[len(word)].append(word)
        return groups


def _is_slip(word: str, known: str) -> bool:
    """Whether two words have the same letters but for a doubled one or the order: `poter` and `potter`."""
    return _undoubled(word) == _undoubled(known) or sorted(word) == sorted(known)


def _undoubled(word: str) -> str:
    return "".join(letter for letter, _ in groupby(word))


def _is_plausible(word: str, known: str) -> bool:
    """Whether a correction keeps the first letter of a short word: `boat` is hardly a misspelt `coat`."""
    return len(word) >= LONG or word[0] == known[0] or word[:2] == known[1::-1]


_parsed: tuple[str, Vocabulary] = ("", Vocabulary())


def client() -> redis.Redis:
    """This process's client of Redis, with a short timeout: no search waits for spelling."""
    return redis_client.client(0.5)


def vocabulary() -> Vocabulary:
    """The current vocabulary, parsed once in this process; empty when Redis does not answer or has none."""
    global _parsed
    try:
        learnt_at = (_stored("learnt_at") or b"").decode()
        if learnt_at != _parsed[0]:
            _parsed = learnt_at, _parse(_stored("words"))
    except (redis.RedisError, ValueError, zlib.error) as error:
        logger.warning(
            "The vocabulary could not be read from Redis (%s). Searches go on without spelling correction",
            error,
        )
        return Vocabulary()
    return _parsed[1]


def _stored(name: str) -> bytes | None:
    """A field of the vocabulary in Redis. Raises RedisError."""
    return cast("bytes | None", client().hget(KEY, name))


def _parse(stored: bytes | None) -> Vocabulary:
    return Vocabulary(**json.loads(zlib.decompress(stored))) if stored else Vocabulary()


def learn_when_stale(*, now: datetime) -> int:
    """Learn the vocabulary if it is older than RELEARN_AFTER. Returns the number of words; 0 if it is not."""
    learnt_at = _stored("learnt_at")
    if learnt_at is not None and abs(now - datetime.fromisoformat(learnt_at.decode())) < RELEARN_AFTER:
        return 0
    return learn(now=now)


def learn(*, now: datetime) -> int:
    """Count the words of the active listings and store them in Redis. Returns the number of words.

    Safe to run twice at once. An empty catalogue stores nothing, so that the next call counts again.
    """
    counted = _count_words()
    if not counted.counts:
        client().delete(KEY)
        return 0
    stored = json.dumps({"listing_count": counted.listing_count, "counts": counted.counts})
    mapping: dict[FieldT, EncodableT] = {
        "learnt_at": now.isoformat(),
        "words": zlib.compress(stored.encode()),
    }
    client().hset(KEY, mapping=mapping)
    return len(counted.counts)


_TEXTS = """
    SELECT setweight(to_tsvector('simple', regexp_replace(title, {breaks}, ' ', 'g')), 'A')
        || setweight(to_tsvector('simple', regexp_replace(left(description, 2000), {breaks}, ' ', 'g')), 'D')
    FROM listings_listing WHERE status = {active} ORDER BY created_at DESC, id DESC LIMIT {limit}
"""
_COUNTS = """
    SELECT everywhere.word, everywhere.ndoc FROM ts_stat(%(texts)s) everywhere
    LEFT JOIN ts_stat(%(texts)s, 'a') titles USING (word)
    WHERE (titles.word IS NOT NULL OR everywhere.ndoc >= %(often)s) AND length(word) <= %(longest)s
    ORDER BY everywhere.ndoc DESC, word LIMIT %(most)s
"""


def _count_words() -> Vocabulary:
    listing_count = min(Listing.objects.filter(status=Listing.Status.ACTIVE).count(), MOST_LISTINGS)
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, {"often": OFTEN, "longest": LONGEST, "most": MOST_WORDS, "texts": _texts()})
        return Vocabulary(listing_count, dict(_plain(cursor.fetchall())))


def _texts() -> str:
    """The query that ts_stat runs. It takes no parameters, and nothing in it comes from a user."""
    return _TEXTS.format(breaks=f"'{BREAK}'", active=f"'{Listing.Status.ACTIVE.value}'", limit=MOST_LISTINGS)


def _plain(counts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """The counts with words in our lower case, which differs from PostgreSQL's for some letters."""
    return [(plain_word(word), count) for word, count in counts]
