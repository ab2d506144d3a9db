"""Full-text search of listings in PostgreSQL, without any extension."""

import re
from itertools import pairwise
from typing import cast

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.expressions import Expression

from listings.models import Listing
from listings.words import words_in
from recommendations.query_parsing.spelling import Vocabulary, vocabulary
from recommendations.retrieval.filters import Filters, listings_passing

MOST_WORDS = 32  # of a query; the rest is not read
SHORTEST_PREFIX = 3  # letters: half of the catalogue begins with fewer
WEIGHTS = [0.1, 0.2, 0.4, 1.0]  # D: description, C: title as written, B: nothing, A: title
BY_LENGTH = 1  # divide by 1 + the logarithm of the length: a long description holds many words by chance
COMMON = 0.1  # a word in a greater share of the listings than this finds none by itself
PARTS = re.compile(r"[a-z]+|\d+")


def find(words: str, filters: Filters, *, limit: int, excluded_seller: int | None = None) -> list[int]:
    """Ids of active listings that pass the filters and contain the words, best first, at most `limit`.

    Listings with all words come first, then those with words that begin like them, then those with some of
    the words. Stop words, operators and emoji find nothing. excluded_seller: id of a seller whose listings
    are left out. Raises NoSuchCategory.
    """
    terms = list(dict.fromkeys(words_in(words)))[:MOST_WORDS]
    if not terms or limit < 1:
        return []
    passing = listings_passing(filters, excluded_seller)
    listing_ids: list[int] = []
    for query in _strict_queries(terms):
        rank = _rank(query, together=len(terms) > 1)
        listing_ids += _further(passing, query, rank, listing_ids, limit)
    if len(listing_ids) < limit and len(terms) > 1:
        any_of, rarity = _loose_query(terms, vocabulary())
        listing_ids += _further(passing, any_of, rarity, listing_ids, limit)
    return listing_ids


def _further(
    passing: QuerySet[Listing], query: SearchQuery, rank: Expression, found: list[int], limit: int
) -> list[int]:
    """Ids of listings that the query adds to those found, best first, the newest first among equals."""
    if len(found) >= limit:
        return []
    listings = passing.filter(search_words=query).exclude(pk__in=found)
    best_first = listings.order_by(rank.desc(), "-created_at", "-pk")
    return list(best_first.values_list("pk", flat=True)[: limit - len(found)])


def _rank(query: SearchQuery, *, together: bool) -> SearchRank:
    """The rank of a listing by how much of it the words are.

    together: also by how close to each other they stand, which is cover density (Clarke et al. 1999). For
    one word that would only count its occurrences.
    """
    return SearchRank(
        F("search_words"), query, weights=WEIGHTS, normalization=BY_LENGTH, cover_density=together
    )


def _strict_queries(words: list[str]) -> list[SearchQuery]:
    """Queries for all words: whole; the last one as a prefix, for it may be half typed; each as a prefix."""
    last = len(words) - 1
    texts = [
        " & ".join(_terms(words, set())),
        " & ".join(_terms(words, {last})),
        " & ".join(_terms(words, set(range(len(words))))),
    ]
    return [_query(text) for text in dict.fromkeys(texts)]


def _loose_query(words: list[str], known: Vocabulary) -> tuple[SearchQuery, Expression]:
    """A query for any of the rarer words, and a rank that counts a word the more the rarer it is."""
    common = {word for word in words if known.share(word) > COMMON}
    rarer = [word for word in words if word not in common] or words
    any_of = _query(" | ".join(_either(word, prefix=False) for word in rarer))
    information = [
        Case(
            When(search_words=_query(_quoted(word)), then=Value(known.inverse_document_frequency(word))),
            default=0.0,
        )
        for word in words
    ]
    rank = sum(information, start=_rank(any_of, together=False))
    return any_of, cast(Expression, rank)  # a CombinedExpression; the stubs know it as Combinable


def _terms(words: list[str], prefixes: set[int]) -> list[str]:
    """The words as parts of a tsquery. A word and a number beside it may also be written as one.

    prefixes: positions of the words that may be the beginning of longer ones.
    """
    terms = [_either(word, prefix=place in prefixes) for place, word in enumerate(words)]
    for place, (word, following) in enumerate(pairwise(words)):
        if word.isdigit() != following.isdigit() and word.isalnum() and following.isalnum():
            joined = _quoted(word + following)
            terms[place] = f"({terms[place]} | {joined})"
            terms[place + 1] = f"({terms[place + 1]} | {joined})"
    return terms


def _either(word: str, *, prefix: bool) -> str:
    """A word as a part of a tsquery, as one (`ps5`) or in its parts (`ps 5`)."""
    is_prefix = prefix and len(word) >= SHORTEST_PREFIX and not word.isdigit()
    whole = _quoted(word) + (":*" if is_prefix else "")
    parts = PARTS.findall(word)
    if len(parts) != 2 or "".join(parts) != word:
        return whole
    return f"({whole} | {_quoted(parts[0])} <-> {_quoted(parts[1])})"


def _quoted(word: str) -> str:
    """The word in quotes, so that nothing in it is read as an operator of a tsquery."""
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _query(text: str) -> SearchQuery:
    return SearchQuery(text, config="english", search_type="raw")
