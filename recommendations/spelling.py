"""Misspelt words, mended with the words that the catalogue itself is written in."""

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

import redis
from django.db import connection
from rapidfuzz import process
from rapidfuzz.distance import OSA

from listings.models import Listing
from listings.words import BREAK, WORD, plain_word, stem
from recommendations import redis_link

KEY = "vocabulary"
FRESH = timedelta(minutes=5)
MOST_LISTINGS = 100_000  # the newest: what people call things does not change with more of them
MOST_WORDS = 100_000
OFTEN = 5  # listings: a word that only descriptions hold is one when so many do
ENOUGH = 2  # listings: fewer may be a misspelling themselves
SHORTEST = 4  # letters: a shorter word is one letter away from too many
LONG = 8  # letters: a longer word may have two mistakes
LONGEST = 32
MOST_MENDED = 32  # words of a query

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mended:
    """Words as they were meant, and which of them were replaced by what."""

    words: str
    replaced: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Vocabulary:
    """The words of the catalogue, and in how many of its listings each of them is."""

    listing_count: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def share(self, word: str) -> float:
        """The part of the listings that hold a word, between 0 and 1."""
        return min(self.counts.get(word, 0) / max(self.listing_count, 1), 1.0)

    def information(self, word: str) -> float:
        """What a word tells of the listings that hold it, in nats: the rarer, the more.

        1 for all words when none is known.
        """
        if not self.counts:
            return 1.0
        return math.log(1 + self.listing_count / (1 + self.counts.get(word, 0)))

    def knows(self, word: str) -> bool:
        """Whether a listing holds the word or another form of it."""
        return word in self.counts or stem(word) in self._stems

    def continues(self, beginning: str) -> bool:
        """Whether a word begins like this."""
        place = bisect_left(self._sorted, beginning)
        return place < len(self._sorted) and self._sorted[place].startswith(beginning)

    def nearest(self, word: str) -> str | None:
        """The word that was probably meant: the fewest mistakes, then the most listings."""
        allowed = 1 if len(word) < LONG else 2
        lengths = range(len(word) - allowed, len(word) + allowed + 1)
        candidates = [known for length in lengths for known in self._by_length.get(length, ())]
        near = process.extract(word, candidates, scorer=OSA.distance, score_cutoff=allowed, limit=None)
        likely = [(mistakes, -self.counts[known], known) for known, mistakes, _ in near]
        return min((choice for choice in likely if _alike(word, choice[2])), default=(0, 0, None))[2]

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(word for word, count in self.counts.items() if count >= ENOUGH)

    @cached_property
    def _stems(self) -> frozenset[str]:
        return frozenset(map(stem, self.counts))

    @cached_property
    def _by_length(self) -> dict[int, list[str]]:
        """The words that can replace another."""
        groups = defaultdict(list)
        for word in self._sorted:
            if word.isalpha():
                groups[len(word)].append(word)
        return groups


def mend(words: str) -> Mended:
    """Replace the words that the catalogue does not know by those it does.

    Short words, numbers, model numbers and the beginning of a last word stay. Without a vocabulary all do.
    """
    known = vocabulary()
    spans = [found.span() for found in WORD.finditer(words)][:MOST_MENDED] if known.counts else []
    replaced: dict[str, str] = {}
    mended = words
    for start, end in reversed(spans):  # from the end, so that what was replaced moves no other
        word = plain_word(words[start:end])
        is_last = not WORD.search(words, end)
        if not _is_mendable(word) or known.knows(word) or (is_last and known.continues(word)):
            continue
        if better := replaced.get(word) or known.nearest(word):
            replaced[word] = better
            mended = mended[:start] + better + mended[end:]
    return Mended(mended, replaced)


def _is_mendable(word: str) -> bool:
    return SHORTEST <= len(word) <= LONGEST and word.isalpha()


def _alike(word: str, known: str) -> bool:
    """Hardly anyone mistypes the first letter of a short word: who asks for a boat does not mean a coat."""
    return len(word) >= LONG or word[0] == known[0] or word[:2] == known[1::-1]


_parsed: tuple[str, Vocabulary] = ("", Vocabulary())


def client() -> redis.Redis:
    """This process's client of Redis, with a short timeout: no search waits for spelling."""
    return redis_link.client(0.5)


def vocabulary() -> Vocabulary:
    """What was learnt last, kept in this process until something else is; empty when Redis does not say."""
    global _parsed
    try:
        learnt_at = (client().hget(KEY, "learnt_at") or b"").decode()
        if learnt_at != _parsed[0]:
            _parsed = learnt_at, _parse(client().hget(KEY, "words"))
    except (redis.RedisError, ValueError, zlib.error) as error:
        logger.warning("No vocabulary: %s", error)
        return Vocabulary()
    return _parsed[1]


def _parse(stored: bytes | None) -> Vocabulary:
    return Vocabulary(**json.loads(zlib.decompress(stored))) if stored else Vocabulary()


def learn_when_stale(*, now: datetime) -> int:
    """Learn the vocabulary again when the last time is long ago; how many words were learnt."""
    learnt_at = client().hget(KEY, "learnt_at")
    if learnt_at is not None and abs(now - datetime.fromisoformat(learnt_at.decode())) < FRESH:
        return 0
    return learn(now=now)


def learn(*, now: datetime) -> int:
    """Count the words of the active listings and put them where serving finds them; how many they are.

    Two who do it at once do the same. An empty catalogue teaches nothing, and is looked at again soon.
    """
    learnt = _count_words()
    if not learnt.counts:
        client().delete(KEY)
        return 0
    stored = json.dumps({"listing_count": learnt.listing_count, "counts": learnt.counts})
    mapping = {"learnt_at": now.isoformat(), "words": zlib.compress(stored.encode())}
    client().hset(KEY, mapping=mapping)
    return len(learnt.counts)


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
        return Vocabulary(listing_count, dict(_small(cursor.fetchall())))


def _texts() -> str:
    """The query that ts_stat runs; all that stands in it is ours."""
    return _TEXTS.format(breaks=f"'{BREAK}'", active=f"'{Listing.Status.ACTIVE.value}'", limit=MOST_LISTINGS)


def _small(counts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """PostgreSQL's idea of small letters, where it differs, made ours."""
    return [(plain_word(word), count) for word, count in counts]
