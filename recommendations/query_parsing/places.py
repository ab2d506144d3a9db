"""Places in a query: `near Leeds`, `within 10 miles of York`, and `in Bath` at its end."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db.models import F, Func, Q, TextField, Value
from django.db.models.functions import Concat, Lower

from listings.models import Place
from listings.places import plain_name
from recommendations.query_parsing.prices import QuerySpan

TOWN_RADIUS_KM = 25.0
COUNTY_RADIUS_KM = 50.0
LONGEST_RADIUS_KM = 1000.0
KM_PER_MILE = 1.609344
MOST_WORDS = 6  # of a name, with its county
MOST_CUES = 8
# `in` often announces no place. After it only larger towns count, and none of these names.
IN_FROM_INHABITANTS = 5000
NOT_AFTER_IN = frozenset({"sale", "deal", "street", "stone", "sandy", "battle", "box"})

KILOMETRES = r"(?P<{0}>\d{{1,4}}(?:\.\d)?)\s*(?:(?P<{0}_miles>mi(?:les?)?)|km|kms|kilomet(?:re|er)s?)\b"
CUE = re.compile(
    rf"(?<!\w)(?:(?:within\s+)?{KILOMETRES.format('radius')}\s+(?:of|from|around)"
    r"|(?P<near>near(?:\s+to|by)?|close\s+to|around)|(?P<in>in))\s+(?=\w)",
    re.IGNORECASE,
)
WITHIN = re.compile(rf"[\s,]*(?:within\s+|\+\s*){KILOMETRES.format('radius')}", re.IGNORECASE)
NAME_WORD = re.compile(r"[^\W\d_]+(?:['’.-]+[^\W\d_]+)*\.?")
BETWEEN = re.compile(r"\s*,\s*|\s+")
# Newcastle upon Tyne and Southend-on-Sea are mostly written without their second part.
RIVER = r"\s(?:on|upon|by|under|le)\s.*$"


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
    known = _places_named({candidate.name for cue in cues for candidate in cue.candidates})
    places = (_place_at(query, cue, candidate, known, spans) for cue in cues for candidate in cue.candidates)
    return next(([span] for span in places if span is not None), [])


def _cues(query: str, spans: list[QuerySpan]) -> Iterator[PlaceCue]:
    for match in CUE.finditer(query):
        if any(span.start < match.end() and match.start() < span.end for span in spans):
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
        if word is None or any(span.start <= gap < span.end for span in spans):
            return
        yield PlaceCandidate(word.end(), plain_name(query[start : word.end()].replace(",", " ")))
        between = BETWEEN.match(query, word.end())
        if between is None:
            return
        gap = between.end()


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
    is_well_known = place.population is None or place.population >= IN_FROM_INHABITANTS
    return is_last and is_well_known and candidate.name not in NOT_AFTER_IN


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


def _places_named(names: set[str]) -> dict[str, Place]:
    """Plain name, alone or with its county -> the largest place of this name. A town goes before a county."""
    if not names:
        return {}
    plain = Func(Lower("name"), Value("-'’."), Value(" "), function="translate", output_field=TextField())
    short = Func(F("plain"), Value(RIVER), Value(""), function="regexp_replace", output_field=TextField())
    with_county = Concat("plain", Value(" "), Lower("county"), output_field=TextField())
    places = Place.objects.filter(country=settings.ENVIRONMENT.country)
    places = places.alias(plain=plain).alias(short=short, with_county=with_county)
    spellings = {spelling for name in names for spelling in _spellings(name)}
    groups: dict[str, list[Place]] = defaultdict(list)
    is_named = Q(plain__in=spellings) | Q(short__in=spellings) | Q(with_county__in=spellings)
    for place in places.filter(is_named):
        for name in _names_of(place):
            groups[name].append(place)
    return {name: max(places, key=_size) for name, places in groups.items() if name in names}


def _size(place: Place) -> tuple[int, int]:
    return place.population or 0, -place.pk


def _spellings(name: str) -> set[str]:
    """The ways in which the gazetteer may write a plain name."""
    return {
        " ".join(word if plain else longer.get(word, word) for word in name.split())
        for longer in ({"st": "saint"}, {"on": "upon"}, {"st": "saint", "on": "upon"})
        for plain in (True, False)
    }


def _names_of(place: Place) -> set[str]:
    name = plain_name(place.name)
    return {name, re.sub(RIVER, "", name), f"{name} {plain_name(place.county)}".strip()}
