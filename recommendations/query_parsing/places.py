"""Places in a query: `near Leeds`, `within 10 miles of York`, `near LS1`; `in Bath` or `Bath` at its end."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.postgres.search import SearchQuery
from django.db.models import Count, F, Q

from listings.models import Listing, Place
from listings.places import outward_code, places_called, plain_name, short_name
from recommendations.core.ttl_cache import TtlCache
from recommendations.query_parsing.spans import QuerySpan, is_apart
from recommendations.query_parsing.stop_words import STOP_WORDS
from recommendations.query_parsing.tsquery import together
from recommendations.retrieval.sql_filters import within_radius

TOWN_RADIUS_KM = 25.0
COUNTY_RADIUS_KM = 50.0
LONGEST_RADIUS_KM = 1000.0
KM_PER_MILE = 1.609344
MOST_WORDS = 6  # of a name, with its county
MOST_CUES = 8
# `in` often announces no place. After it only larger towns count, and none of these names.
IN_FROM_INHABITANTS = 5000
BARE_FROM_INHABITANTS = 20_000  # smaller towns need a word such as `near`
LONGEST_BARE = 3  # words of a place without one
READ_AFTER = timedelta(minutes=1)
CUE_WORDS = frozenset({"near", "around", "within", "miles", "km", "to", "by"})
NOT_AFTER_IN = frozenset({"sale", "deal", "street", "stone", "sandy", "battle", "box"})

KILOMETRES = r"(?P<{0}>\d{{1,4}}(?:\.\d)?)\s*(?:(?P<{0}_miles>mi(?:les?)?)|km|kms|kilomet(?:re|er)s?)\b"
CUE = re.compile(
    rf"(?<!\w)(?<!not )(?:(?:within\s+)?{KILOMETRES.format('radius')}\s+(?:of|from|around)"
    r"|(?P<near>near(?:\s+to|by)?|close\s+to|around)|(?P<in>in))\s+(?=\w)",
    re.IGNORECASE,
)
WITHIN = re.compile(rf"[\s,]*(?:within\s+|\+\s*){KILOMETRES.format('radius')}", re.IGNORECASE)
ALONE = re.compile(
    rf"(?<!\w)within\s+{KILOMETRES.format('radius')}(?:\s+(?:of\s+me|from\s+me|away))?"
    r"(?!\s+(?:of|from|around)\b)",
    re.IGNORECASE,
)
NAME_WORD = re.compile(r"[^\W_]+(?:['’.-]+[^\W_]+)*\.?")
BETWEEN = re.compile(r"\s*,\s*|\s+")


@dataclass(frozen=True)
class PlaceCandidate:
    """Words of a query that may name a place: their end in the query, and the plain name."""

    end: int
    name: str


@dataclass(frozen=True)
class PlaceCue:
    """Words that announce a place, such as `near`, and the candidates for its name, longest first."""

    start: int
    is_in: bool
    radius_km: float | None
    candidates: tuple[PlaceCandidate, ...]


def places_in(query: str, spans: Iterable[QuerySpan]) -> list[QuerySpan]:
    """The first known place of a query, as a list of one span or none. Makes one database query.

    spans: the parts of the query that were understood already, which cannot name a place.
    """
    spans = list(spans)
    cues = list(_cues(query, spans))[:MOST_CUES]
    called = places_called(candidate.name for cue in cues for candidate in cue.candidates)
    known = {name: places[0] for name, places in called.items()}
    places = (_place_at(query, cue, candidate, known, spans) for cue in cues for candidate in cue.candidates)
    return next(([span] for span in places if span is not None), [])


def _cues(query: str, spans: list[QuerySpan]) -> Iterator[PlaceCue]:
    for match in CUE.finditer(query):
        if not is_apart(*match.span(), spans):
            continue
        radius_km = _kilometres(match)
        if radius_km is None or 0 < radius_km <= LONGEST_RADIUS_KM:
            names = tuple(_names_from(query, match.end(), spans))
            yield PlaceCue(match.start(), match["in"] is not None, radius_km, names[::-1])


def _names_from(query: str, position: int, spans: list[QuerySpan]) -> Iterator[PlaceCandidate]:
    """Names of one word, two words and so on from this position, up to a span or a character of no name."""
    start, gap = position, position
    for _ in range(MOST_WORDS):
        word = NAME_WORD.match(query, gap)
        if word is None or not is_apart(gap, gap + 1, spans):
            return
        yield PlaceCandidate(word.end(), _plain(query[start : word.end()]))
        between = BETWEEN.match(query, word.end())
        if between is None:
            return
        gap = between.end()


def _plain(text: str) -> str:
    """The plain name of a text; of a British postcode its first part."""
    name = plain_name(text.replace(",", " "))
    code = outward_code(name)
    return code if code and name.startswith(code) else name


def _place_at(
    query: str, cue: PlaceCue, candidate: PlaceCandidate, known: dict[str, Place], spans: list[QuerySpan]
) -> QuerySpan | None:
    """The span of a cue with this candidate as its place; None when it is none, or too far around it."""
    place = known.get(candidate.name)
    within = WITHIN.match(query, candidate.end) if cue.radius_km is None else None
    end = within.end() if within else candidate.end
    if place is None or (cue.is_in and not _is_meant(place, candidate, ends_or_meets(query, end, spans))):
        return None
    radius_km = cue.radius_km or (_kilometres(within) if within else None) or _usual_radius_km(place)
    if radius_km > LONGEST_RADIUS_KM:
        return None
    return QuerySpan(
        cue.start, end, {"lat": place.latitude, "lon": place.longitude, "radius_km": round(radius_km, 2)}
    )


def _is_meant(place: Place, candidate: PlaceCandidate, is_last: bool) -> bool:
    """Whether `in` announces this place. In `in good condition` and `mint in box` it does not."""
    is_postcode = any(letter.isdigit() for letter in place.name)
    is_well_known = is_postcode or place.population is None or place.population >= IN_FROM_INHABITANTS
    return is_last and is_well_known and candidate.name not in NOT_AFTER_IN


@dataclass(frozen=True)
class RadiusSpan:
    """A radius without a place, such as `within 10 miles`: around the caller, if they say where they are."""

    start: int
    end: int
    radius_km: float


def radius_in(query: str, spans: Iterable[QuerySpan]) -> RadiusSpan | None:
    """The first radius of a query outside of these spans."""
    spans = list(spans)
    for match in ALONE.finditer(query):
        radius_km = _kilometres(match)
        if radius_km is not None and 0 < radius_km <= LONGEST_RADIUS_KM and is_apart(*match.span(), spans):
            return RadiusSpan(*match.span(), round(radius_km, 2))
    return None


def large_places(now: datetime) -> Mapping[str, Place]:
    """Plain name -> place, of counties and of towns that are named without a word such as `near`."""
    return _large.at(now)


def forget() -> None:
    """Read the places again at the next search."""
    _large.forget()


def bare_place_in(query: str, spans: Iterable[QuerySpan], large: Mapping[str, Place]) -> QuerySpan | None:
    """The place at the end of a query with other words, as in `sofa london`; None if it is a usual word.

    Makes one database query, and only for a query that ends in the name of a large place.
    """
    spans = list(spans)
    words = [word for word in NAME_WORD.finditer(query) if is_apart(word.start(), word.start() + 1, spans)]
    for count in range(min(LONGEST_BARE, len(words) - 1), 0, -1):
        first, last = words[-count], words[-1]
        name = plain_name(query[first.start() : last.end()])
        before = words[-count - 1].group().lower()
        place = large.get(name)
        if place is None or name in NOT_AFTER_IN or before in STOP_WORDS or before in CUE_WORDS:
            continue
        if ends_or_meets(query, last.end(), spans) and not _is_usual_word(name, place):
            radius_km = _usual_radius_km(place)
            point = {"lat": place.latitude, "lon": place.longitude, "radius_km": radius_km}
            return QuerySpan(first.start(), last.end(), point)
    return None


def _is_usual_word(name: str, place: Place) -> bool:
    """Whether more titles far from the place hold its name than titles near it: `bath` is a usual word."""
    titles = SearchQuery(together(name.split(), ":C"), config="simple", search_type="raw")
    active = Listing.objects.filter(status=Listing.Status.ACTIVE, search_words=titles)
    near = Count("pk", filter=within_radius(place.latitude, place.longitude, COUNTY_RADIUS_KM))
    counts = active.aggregate(all=Count("pk"), near=near)
    return counts["all"] - counts["near"] > max(counts["near"], 1)


def _read_large(now: datetime) -> Mapping[str, Place]:
    places = Place.objects.filter(country=settings.ENVIRONMENT.country)
    large = places.filter(Q(population__gte=BARE_FROM_INHABITANTS) | Q(population__isnull=True))
    by_name: dict[str, Place] = {}
    for place in large.order_by(
        F("population").asc(nulls_first=True)
    ):  # a later, larger one replaces a smaller
        name = plain_name(place.name)
        by_name |= {short_name(name): place, name: place}
    return by_name


_large: TtlCache[Mapping[str, Place]] = TtlCache(_read_large, ttl=READ_AFTER)


def ends_or_meets(query: str, position: int, spans: Iterable[QuerySpan] = ()) -> bool:
    """Whether only blanks and punctuation lie between a position and the end, or the next of these spans."""
    while position < len(query) and query[position] in " ,;.":
        position += 1
    return position == len(query) or any(span.start == position for span in spans)


def _usual_radius_km(place: Place) -> float:
    return COUNTY_RADIUS_KM if place.population is None else TOWN_RADIUS_KM


def _kilometres(match: re.Match[str]) -> float | None:
    """The radius of a match; None when it names none."""
    if match["radius"] is None:
        return None
    return float(match["radius"]) * (KM_PER_MILE if match["radius_miles"] else 1)
