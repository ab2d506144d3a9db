"""Reading the catalogue. Whatever is shown to anyone passes through `visible`."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from listings.callers import Caller
from listings.errors import Missing
from listings.models import Actor, Category, Listing, Place
from listings.services import find_category

SPARE_SHARE = 1.25  # read a few more than asked for at once: some may have been sold a moment ago
LEAST_STEP = 25  # listings


class NoSuchListing(Missing):
    def __init__(self, external_id: str):
        super().__init__(f"There is no listing {external_id!r}.")


class NoSuchPhoto(Missing):
    def __init__(self, external_id: str):
        super().__init__(f"The listing has no photo {external_id!r}.")


def with_details(listings: QuerySet[Listing]) -> QuerySet[Listing]:
    """With all that a serializer reads, in two queries however many there are."""
    return listings.select_related("seller", "category", "place").prefetch_related("photos")


def visible() -> QuerySet[Listing]:
    """What anyone may see."""
    return with_details(Listing.objects.filter(status=Listing.Status.ACTIVE))


def first_visible(listing_ids: list[int], limit: int) -> list[Listing]:
    """The first `limit` listings that are active now, in the order of these ids."""
    found: list[Listing] = []
    step = max(int(limit * SPARE_SHARE), LEAST_STEP)
    for start in range(0, len(listing_ids), step):
        wanted = listing_ids[start : start + step]
        by_id = visible().in_bulk(wanted)
        found += [by_id[pk] for pk in wanted if pk in by_id]
        if len(found) >= limit:
            break
    return found[:limit]


def own_among(listing_ids: Sequence[int], actor: Actor | None) -> frozenset[int]:
    """Those of these that the actor sells."""
    if actor is None:
        return frozenset()
    return frozenset(Listing.objects.filter(pk__in=listing_ids, seller=actor).values_list("pk", flat=True))


def for_caller(caller: Caller, external_id: str) -> Listing:
    """One listing, if this caller may see it: drafts and what left the market only its owner, staff and
    services. Raises NoSuchListing, which does not tell the two cases apart."""
    shown = Q(status=Listing.Status.ACTIVE)
    if caller.is_staff or (caller.is_service and "catalogue" in caller.scopes):
        shown = Q()
    elif caller.actor is not None:
        shown |= Q(seller=caller.actor)
    listing = with_details(Listing.objects.filter(shown, external_id=external_id)).first()
    if listing is None:
        raise NoSuchListing(external_id)
    return listing


def once_public(external_id: str) -> Listing:
    """A listing that is or was on the market: one may ask what is similar to it even when it is sold."""
    listing = Listing.objects.filter(status__in=Listing.PUBLIC, external_id=external_id).first()
    if listing is None:
        raise NoSuchListing(external_id)
    return listing


def places_named(names: Iterable[str]) -> dict[str, Place]:
    """What each `Town` or `Town, County` means, in one query: the town in that county, else the largest."""
    printable = {name for name in names if name.isprintable()}
    parts = {name: [part.strip().lower() for part in name.partition(",")[::2]] for name in printable}
    towns = Place.objects.filter(country=settings.ENVIRONMENT.country).alias(town=Lower("name"))
    by_name: dict[str, list[Place]] = defaultdict(list)
    for place in towns.filter(town__in={town for town, _ in parts.values()}):
        by_name[place.name.lower()].append(place)

    def likeness(place: Place, county: str) -> tuple[bool, int]:
        return place.county.lower() == county, place.population or 0

    return {
        name: max(by_name[town], key=lambda place: likeness(place, county))
        for name, (town, county) in parts.items()
        if town in by_name
    }


def categories_below(path: str) -> list[int]:
    """Primary keys of this category and all below it. Raises NoSuchCategory."""
    category = find_category(path)
    inside = Category.objects.filter(path__startswith=category.path + Category.SEPARATOR)
    return [category.pk, *inside.values_list("pk", flat=True)]
