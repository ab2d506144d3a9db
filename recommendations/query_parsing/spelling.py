"""Spelling correction with the vocabulary of the catalogue.

A word that an active listing or a category holds is never replaced, from the moment it is published. If a
word that many more listings hold is near, that one is offered beside it.
"""

from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from listings.models import Category, Listing
from listings.words import WORD, plain_word, stem
from recommendations.query_parsing.synonyms import Synonyms
from recommendations.query_parsing.tsquery import LANGUAGE, SHORTEST_PREFIX, quoted
from recommendations.query_parsing.vocabulary import LONGEST, OFTEN, vocabulary

SHORTEST = 4  # letters: shorter words are within one letter of too many others
MOST_MENDED = 32  # words of a query
MORE_FREQUENT = 20  # times as many listings hold a word that is offered beside another


@dataclass(frozen=True)
class Correction:
    """Corrected words; misspelt word -> its correction; word that stays -> a near word of many listings."""

    words: str
    replaced: dict[str, str] = field(default_factory=dict)
    offered: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Word:
    """A word of a query that may be misspelt, by its position."""

    start: int
    end: int
    text: str
    is_last: bool  # it may be half typed


def correct_spelling(words: str, synonyms: Synonyms = Synonyms()) -> Correction:  # noqa: B008  immutable
    """Replace words that neither a listing nor a category holds by their nearest word of the vocabulary.

    Short words, words with digits and words that have synonyms stay, and so does a last word that may still
    be typed. Without a vocabulary all words stay.
    """
    known = vocabulary()
    doubtful = [
        word
        for word in (_words(words) if known.counts else ())
        if known.listings_with(word.text) < OFTEN and not synonyms.find((word.text,))
    ]
    unknown = [word for word in doubtful if not known.knows(word.text)]
    held = _held({word.text: word.is_last for word in unknown})
    replaced: dict[str, str] = {}
    offered: dict[str, str] = {}
    corrected = words
    for word in reversed(doubtful):  # from the end, so that earlier positions stay valid
        nearest = replaced.get(word.text) or known.nearest(word.text)
        if nearest is None or stem(nearest) == stem(word.text):
            continue
        if word in unknown and word.text not in held and not (word.is_last and known.has_prefix(word.text)):
            replaced[word.text] = nearest
            corrected = corrected[: word.start] + nearest + corrected[word.end :]
        elif known.listings_with(nearest) >= MORE_FREQUENT * max(known.listings_with(word.text), 1):
            offered[word.text] = nearest
    return Correction(corrected, replaced, offered)


def _words(text: str) -> list[_Word]:
    """The words of a text that are long enough to be corrected."""
    spans = [match.span() for match in WORD.finditer(text)][:MOST_MENDED]
    words = [
        _Word(start, end, plain_word(text[start:end]), not WORD.search(text, end)) for start, end in spans
    ]
    return [word for word in words if SHORTEST <= len(word.text) <= LONGEST and word.text.isalpha()]


_HELD = f"""
    SELECT asked.word FROM unnest(%(words)s::text[], %(queries)s::text[]) AS asked (word, query)
    WHERE EXISTS (
        SELECT FROM {Listing._meta.db_table}
        WHERE status = %(active)s AND search_words @@ to_tsquery(%(language)s::regconfig, asked.query)
    ) OR EXISTS (
        SELECT FROM {Category._meta.db_table}
        WHERE to_tsvector(%(language)s::regconfig, path)
            @@ to_tsquery(%(language)s::regconfig, asked.query)
    )
"""


def _held(words: dict[str, bool]) -> set[str]:
    """Those of the words that an active listing or a category holds now. True: may be a beginning."""
    if not words:
        return set()
    queries = [
        quoted(word, ":*" if is_last and len(word) >= SHORTEST_PREFIX else "")
        for word, is_last in words.items()
    ]
    parameters: dict[str, Any] = {
        "words": list(words),
        "queries": queries,
        "active": Listing.Status.ACTIVE.value,
        "language": LANGUAGE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_HELD, parameters)
        return {word for (word,) in cursor.fetchall()}
