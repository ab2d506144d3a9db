"""Full-text search of listings in PostgreSQL, without any extension.

Each unit of a query is supported by the title of a listing, by its category, or by its description, and
counts by how rare its words are. Listings that support every unit come first. Where they are few, words that
begin like the last one count, and listings that support most of the query.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from itertools import pairwise
from operator import and_, or_

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import Case, F, FloatField, Q, QuerySet, Value, When
from django.db.models.expressions import Combinable, Expression

from listings.models import Listing
from recommendations.query_parsing.stop_words import STOP_WORDS
from recommendations.query_parsing.synonyms import Phrase
from recommendations.query_parsing.tsquery import LANGUAGE, SHORTEST_PREFIX, quoted, together
from recommendations.query_parsing.wording import Unit, Wording
from recommendations.retrieval.filters import Filters, listings_passing
from recommendations.search import categories
from recommendations.search.title_ranking import Match, ranked

WEIGHTS = [0.1, 0.2, 0.4, 1.0]  # D: description, C: title as written, B: nothing, A: title
BY_LENGTH = 1  # divide by 1 + the logarithm of the length: a long description holds many words by chance
# What each place says for a unit. Categories say less than titles.
TITLE, OTHER, DESCRIPTION = 1.0, 0.95, 0.45
FEW = 20  # listings: where fewer hold everything, some of it is enough
# Share of a query's information that a listing has to support: with the thing that it is about, in a category
# that is named like this thing, and without it.
FLOOR, FLOOR_OF_NAMED, FLOOR_WITHOUT_THING = 0.55, 0.3, 0.7
FLOOR_OF_WHOLE = 0.5
NEAR = 3  # words between those of a query, where neither title nor category has any


@dataclass(frozen=True)
class Found:
    """Listings by words, best first. The first `whole_count` support everything that was asked for."""

    listing_ids: list[int]
    whole_count: int


def find(
    wording: Wording, filters: Filters, *, limit: int, now: datetime, excluded_seller: int | None = None
) -> Found:
    """Active listings that pass the filters and say what the wording asks for, best first, at most `limit`.

    excluded_seller: id of a seller whose listings are left out. Raises NoSuchCategory.
    """
    if not wording.units or limit < 1:
        return Found([], 0)
    passing = listings_passing(filters, excluded_seller)
    for phrase in wording.excluded:
        passing = passing.exclude(search_words=_phrase(phrase))
    found: list[int] = []
    whole_count = 0
    for tier in _tiers(wording, now):
        found += _best(tier, passing.exclude(pk__in=found) if found else passing, limit - len(found), now)
        whole_count = len(found) if tier.is_whole else whole_count
        if len(found) >= min(FEW, limit):
            break
    return Found(found, whole_count)


def is_said(wording: Wording, *, now: datetime) -> bool:
    """Whether an active listing supports everything that the wording asks for, whatever the filters."""
    if not wording.units:
        return False
    tier = next(_tiers(wording, now))
    active = Listing.objects.filter(tier.condition, status=Listing.Status.ACTIVE)
    return active.annotate(support=tier.support).filter(tier.floor).exists()


@dataclass(frozen=True)
class _Sought:
    """A unit with the categories that support it."""

    unit: Unit
    category_support: dict[int, float]
    is_prefix: bool = False  # its last word may be the beginning of a longer one

    @property
    def in_title(self) -> SearchQuery:
        return _in(self.unit.words, self.unit, is_prefix=self.is_prefix, label="A")

    @property
    def anywhere(self) -> Q:
        """A listing that supports the unit at all."""
        query = _in(self.unit.words, self.unit, is_prefix=self.is_prefix)
        query = reduce(or_, [_phrase(other) for other in self.unit.others], query)
        categories_named = Q(category__in=list(self.category_support)) if self.category_support else Q()
        return Q(search_words=query) | categories_named if categories_named else Q(search_words=query)

    @property
    def named_categories(self) -> list[int]:
        """Ids of the categories below a root that are named like the unit."""
        return [pk for pk, value in self.category_support.items() if value > categories.ROOT]

    @property
    def support(self) -> Expression:
        """How far a listing supports the unit, between 0 and 1."""
        places = [When(search_words=self.in_title, then=Value(TITLE))]
        if self.unit.others:
            others = reduce(or_, [_phrase(other, "A") for other in self.unit.others])
            places.append(When(search_words=others, then=Value(OTHER)))
        by_support: dict[float, list[int]] = {}
        for pk, value in self.category_support.items():
            by_support.setdefault(value, []).append(pk)
        places += [
            When(category__in=by_support[value], then=Value(value))
            for value in sorted(by_support, reverse=True)
            if value > DESCRIPTION
        ]
        places.append(When(self.anywhere, then=Value(DESCRIPTION)))
        return Case(*places, default=Value(0.0), output_field=FloatField())


@dataclass(frozen=True)
class _Tier:
    """One way to look for a wording. is_whole: every unit has to be supported."""

    sought: tuple[_Sought, ...]
    is_whole: bool

    @property
    def support(self) -> Combinable:
        """The mean support of the units, weighted by their information."""
        total = sum(sought.unit.information for sought in self.sought) or 1.0
        parts = [sought.support * Value(sought.unit.information / total) for sought in self.sought]
        return reduce(lambda left, right: left + right, parts)

    @property
    def condition(self) -> Q:
        """Which listings are found, but for the floor."""
        if self.is_whole:
            return reduce(and_, [sought.anywhere for sought in self.sought])
        return reduce(or_, [sought.anywhere for sought in self.sought])

    @property
    def floor(self) -> Q:
        """Which listings have enough support.

        Scattered words of a description say nothing together, unless they stand near each other. Of a query
        that is not whole, the thing has to be there or almost everything else; less is enough where the thing
        names the listing's category.
        """
        if self.is_whole:
            return (
                Q(support__gte=FLOOR_OF_WHOLE) | _near_each_other(self.sought)
                if len(self.sought) > 1
                else Q()
            )
        named = Q(category__in=self.thing.named_categories, support__gte=FLOOR_OF_NAMED)
        return Q(support__gte=FLOOR_WITHOUT_THING) | self.thing.anywhere & (Q(support__gte=FLOOR) | named)

    @property
    def models(self) -> Q:
        """Which listings support all numbers and names of models: only these are more than look-alikes."""
        named = [sought.anywhere for sought in self.sought if sought.unit.names_a_model]
        return reduce(and_, named, Q(pk__isnull=False))

    @property
    def thing(self) -> _Sought:
        """What the query is about: the last unit that names a category, else the last one."""
        naming = [
            one for one in self.sought if max(one.category_support.values(), default=0) > categories.ROOT
        ]
        return (naming or self.sought)[-1]


def _tiers(wording: Wording, now: datetime) -> Iterator[_Tier]:
    """Everything as it is written; with the last word half typed, then each; then most of it."""
    units = wording.units
    plain = [_Sought(unit, categories.supporting(unit, now)) for unit in units]
    half_typed = [replace(one, is_prefix=not one.unit.is_known) for one in plain]
    yield _Tier(tuple(plain), is_whole=True)
    if half_typed[-1].is_prefix:
        yield _Tier((*plain[:-1], half_typed[-1]), is_whole=True)
    if any(one.is_prefix for one in half_typed[:-1]):
        yield _Tier(tuple(half_typed), is_whole=True)
    single = wording.single_words
    if len(single) > 1:
        yield _Tier(tuple(_Sought(unit, categories.supporting(unit, now)) for unit in single), is_whole=False)


def _best(tier: _Tier, passing: QuerySet[Listing], limit: int, now: datetime) -> list[int]:
    """Ids of the listings of a tier, best first."""
    listings = passing.filter(tier.condition).annotate(
        support=tier.support, rank=_rank(tier), has_models=Case(When(tier.models, then=True), default=False)
    )
    best_first = listings.filter(tier.floor).order_by(
        "-has_models", "-support", "-rank", "-created_at", "-pk"
    )
    rows = best_first.values_list("pk", "title", "category_id", "support", "rank", "has_models")[:limit]
    units = tuple(sought.unit for sought in tier.sought)
    return ranked([Match(*row) for row in rows], units, categories.names(now))


def _rank(tier: _Tier) -> SearchRank:
    """The rank of a listing by how much of it the words are.

    Of several words also by how close to each other they stand, which is cover density (Clarke et al. 1999).
    For one word that would only count its occurrences.
    """
    words = [word for sought in tier.sought for word in sought.unit.words]
    query = _query(" & ".join(quoted(word) for word in words))
    return SearchRank(
        F("search_words"), query, weights=WEIGHTS, normalization=BY_LENGTH, cover_density=len(words) > 1
    )


def _near_each_other(sought: Sequence[_Sought]) -> Q:
    """Each unit's last word near that of the next one, in any order."""
    words = [one.unit.words[-1] for one in sought]
    return Q(search_words=_query(" & ".join(_pair(*pair) for pair in pairwise(words))))


def _pair(left: str, right: str) -> str:
    orders = ((left, right), (right, left))
    gaps = range(1, NEAR + 2)
    return (
        "("
        + " | ".join(f"{quoted(a, ':D')} <{gap}> {quoted(b, ':D')}" for a, b in orders for gap in gaps)
        + ")"
    )


def _in(words: Phrase, unit: Unit, *, is_prefix: bool, label: str = "") -> SearchQuery:
    """A unit's own words, side by side if it is a phrase. label: `A` for the title alone."""
    if unit.is_phrase or not STOP_WORDS.isdisjoint(words):
        return _phrase(words, label)
    *before, last = words
    is_prefix = is_prefix and len(last) >= SHORTEST_PREFIX and not last.isdigit()
    # Beginnings are looked for in the title as it is written, too.
    ending = f":*{label and 'AC'}" if is_prefix else (f":{label}" if label else "")
    plain = f":{label}" if label else ""
    return _query(" & ".join([*(quoted(word, plain) for word in before), quoted(last, ending)]))


def _phrase(words: Phrase, label: str = "") -> SearchQuery:
    """Words side by side. label: `A` for the title alone.

    Stemming drops stop words, which would leave `phone` of `i phone`: these stand in the title as written.
    """
    if len(words) > 1 and not STOP_WORDS.isdisjoint(words):
        return SearchQuery(together(words, ":C"), config="simple", search_type="raw")
    if label or len(words) == 1:
        return _query(together(words, f":{label}" if label else ""))
    # In the title or in the description: the last word of one and the first of the other are no phrase.
    return _query(f"{together(words, ':A')} | {together(words, ':D')}")


def _query(text: str) -> SearchQuery:
    return SearchQuery(text, config=LANGUAGE, search_type="raw")
