"""Places by their names as people write them: with abbreviations, without `upon Tyne`, and as postcodes."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import product

from django.conf import settings
from django.db.models import F, Func, Q, TextField, Value
from django.db.models.functions import Concat, Lower

from listings.models import Place
from listings.places import RIVER, SHORT_FORMS, outward_code, plain_name, short_name

MOST_SPELLINGS = 16  # of a name


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
