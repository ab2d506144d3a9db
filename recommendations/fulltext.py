"""Listings by the words they are described with: PostgreSQL's full text search, without any extension."""

import math
import re
from itertools import pairwise

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import Case, F, FloatField, Q, QuerySet, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import ASin, Cos, Least, Power, Radians, Round, Sin, Sqrt
from django.db.models.lookups import LessThanOrEqual

from listings.models import Listing
from listings.queries import categories_below
from listings.words import words_in
from ml.geography import EARTH_RADIUS_KM
from recommendations.filters import Filters
from recommendations.spelling import Vocabulary, vocabulary

MOST_WORDS = 32  # of a query; nobody means more
SHORTEST_PREFIX = 3  # letters: fewer begin half of the catalogue
WEIGHTS = [0.1, 0.2, 0.4, 1.0]  # D: description, C: title as written, B: nothing, A: title
BY_LENGTH = 1  # a long description holds many words by chance: divide by 1 + the logarithm of its length
COMMON = 0.1  # a word in more than this share of the listings finds none by itself
HUNDREDTH = 0.01  # of a degree
PARTS = re.compile(r"[a-z]+|\d+")


def find(words: str, filters: Filters, *, limit: int, not_of: int | None = None) -> list[int]:
    """Active listings that pass the filters and hold these words, best first, at most `limit` keys.

    Those with all words come first, then those where words only begin like that, then those with some of
    them. Words that say nothing (stop words, operators, emoji) find nothing. Raises NoSuchCategory.
    """
    asked = list(dict.fromkeys(words_in(words)))[:MOST_WORDS]
    if not asked or limit < 1:
        return []
    passing = listings_passing(filters, not_of)
    found: list[int] = []
    for query in _strict_queries(asked):
        found += _ranked(passing, query, _rank(query, together=len(asked) > 1), found, limit)
    if len(found) < limit and len(asked) > 1:
        rarer, rank = _some_of(asked, vocabulary())
        found += _ranked(passing, rarer, rank, found, limit)
    return found


def listings_passing(filters: Filters, not_of: int | None = None) -> QuerySet[Listing]:
    """Active listings that pass the filters and are not of this seller. Raises NoSuchCategory."""
    return Listing.objects.filter(_passing(filters, not_of), status=Listing.Status.ACTIVE)


def _ranked(
    passing: QuerySet[Listing], query: SearchQuery, rank: Combinable, found: list[int], limit: int
) -> list[int]:
    """What the query finds beside what was found, best first, new before old where they are equal."""
    if len(found) >= limit:
        return []
    listings = passing.filter(search_words=query).exclude(pk__in=found)
    best_first = listings.order_by(rank.desc(), "-created_at", "-pk")
    return list(best_first.values_list("pk", flat=True)[: limit - len(found)])


def _rank(query: SearchQuery, *, together: bool) -> SearchRank:
    """How much of the listing the words are; `together`: and how close to each other they stand.

    The second is cover density (Clarke et al. 1999). For one word it would only count how often it comes.
    """
    return SearchRank(
        F("search_words"), query, weights=WEIGHTS, normalization=BY_LENGTH, cover_density=together
    )


def _strict_queries(words: list[str]) -> list[SearchQuery]:
    """All words; all words, the last perhaps half typed; all words, each perhaps a beginning."""
    last = len(words) - 1
    texts = [
        " & ".join(_terms(words, set())),
        " & ".join(_terms(words, {last})),
        " & ".join(_terms(words, set(range(len(words))))),
    ]
    return [_query(text) for text in dict.fromkeys(texts)]


def _some_of(words: list[str], known: Vocabulary) -> tuple[SearchQuery, Combinable]:
    """A query for any of the rarer words, and a rank that counts a word the more the rarer it is."""
    common = {word for word in words if known.share(word) > COMMON}
    rarer = [word for word in words if word not in common] or words
    any_of = _query(" | ".join(_either(word, prefix=False) for word in rarer))
    information = [
        Case(When(search_words=_query(_quoted(word)), then=Value(known.information(word))), default=0.0)
        for word in words
    ]
    return any_of, sum(information, start=_rank(any_of, together=False))


def _terms(words: list[str], beginnings: set[int]) -> list[str]:
    """The words as parts of a tsquery; letters and a number beside them may also be written as one."""
    terms = [_either(word, prefix=place in beginnings) for place, word in enumerate(words)]
    for place, (word, following) in enumerate(pairwise(words)):
        if word.isdigit() != following.isdigit() and word.isalnum() and following.isalnum():
            joined = _quoted(word + following)
            terms[place] = f"({terms[place]} | {joined})"
            terms[place + 1] = f"({terms[place + 1]} | {joined})"
    return terms


def _either(word: str, *, prefix: bool) -> str:
    """A word as a part of a tsquery, in one (`ps5`) or in its parts (`ps 5`)."""
    begins = prefix and len(word) >= SHORTEST_PREFIX and not word.isdigit()
    whole = _quoted(word) + (":*" if begins else "")
    parts = PARTS.findall(word)
    if len(parts) != 2 or "".join(parts) != word:
        return whole
    return f"({whole} | {_quoted(parts[0])} <-> {_quoted(parts[1])})"


def _quoted(word: str) -> str:
    """A word that no operator of a tsquery can be part of."""
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _query(text: str) -> SearchQuery:
    return SearchQuery(text, config="english", search_type="raw")


def _passing(filters: Filters, not_of: int | None) -> Q:
    """The filters as a condition of SQL. Raises NoSuchCategory."""
    wanted = {
        "price__gte": filters.min_price,
        "price__lte": filters.max_price,
        "condition": filters.condition,
        "category__in": None if filters.category is None else categories_below(filters.category),
    }
    passing = Q(**{name: value for name, value in wanted.items() if value is not None})
    if filters.radius_km is not None:
        passing &= _within(filters.lat, filters.lon, filters.radius_km)
    return passing if not_of is None else passing & ~Q(seller=not_of)


def _within(latitude: float, longitude: float, radius_km: float) -> Q:
    """Shown not farther than this, by the haversine formula (Sinnott 1984); what lies nowhere is not near.

    A box goes first: it is cheap, and leaves few for the sines.
    """
    near = Q(latitude__isnull=False)
    reach = radius_km / EARTH_RADIUS_KM  # radians
    height = math.degrees(reach) * 1.001 + HUNDREDTH
    if abs(latitude) + height < 90:  # no pole inside, where all longitudes meet
        near &= Q(latitude__range=(latitude - height, latitude + height))
        width = math.degrees(math.asin(math.sin(reach) / math.cos(math.radians(latitude)))) * 1.001
        width += HUNDREDTH
        if abs(longitude) + width < 180:  # all on one side of the date line
            near &= Q(longitude__range=(longitude - width, longitude + width))
    return near & Q(LessThanOrEqual(_distance_km(latitude, longitude), radius_km))


def _distance_km(latitude: float, longitude: float) -> Combinable:
    """To where the API shows a listing: exact distances would tell where a seller lives."""
    shown = {name: Radians(Round(F(name) * 100) / 100) for name in ("latitude", "longitude")}
    north = Sin((shown["latitude"] - math.radians(latitude)) / 2)
    east = Sin((shown["longitude"] - math.radians(longitude)) / 2)
    chord = Power(north, 2) + Cos(shown["latitude"]) * math.cos(math.radians(latitude)) * Power(east, 2)
    return 2 * EARTH_RADIUS_KM * ASin(Sqrt(Least(chord, Value(1.0))), output_field=FloatField())
