"""Queries of the catalogue. Every listing shown to the public passes through `visible` or `read_visible`."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model, Q, QuerySet

from listings.callers import Caller
from listings.categories.tree import NoSuchCategory
from listings.errors import Missing
from listings.models import Actor, Category, Listing, Photo, Place

Row = TypeVar("Row", bound=Model)

SPARE_SHARE = 1.25  # read more than needed, because some may have been sold a moment ago
LEAST_STEP = 25  # listings
_DEFERRED = {"search_words"}
_LISTING = [field for field in Listing._meta.concrete_fields if field.name not in _DEFERRED]
_PHOTO = list(Photo._meta.concrete_fields)
# Of related rows the columns that cards show. Django reads others when they are asked for.
_SELLER, _CATEGORY, _PLACE = ("external_id",), ("path",), ("name", "county")


def _columns(table: str, names: Sequence[str]) -> str:
    return ", ".join(f'{table}."{name}"' for name in names)


_VISIBLE = f"""
    SELECT {_columns("listing", [str(field.column) for field in _LISTING])},
           {_columns("seller", _SELLER)}, {_columns("category", _CATEGORY)}, {_columns("place", _PLACE)},
           (SELECT json_agg(json_build_array({_columns("photo", [str(field.column) for field in _PHOTO])})
                            ORDER BY photo.position)
            FROM listings_photo photo WHERE photo.listing_id = listing.id)
    FROM listings_listing listing
    JOIN listings_actor seller ON seller.id = listing.seller_id
    JOIN listings_category category ON category.id = listing.category_id
    LEFT JOIN listings_place place ON place.id = listing.place_id
    WHERE listing.id = ANY(%s) AND listing.status = %s
"""


class NoSuchListing(Missing):
    def __init__(self, external_id: str):
        super().__init__(f"There is no listing {external_id!r}.")


class NoSuchPhoto(Missing):
    def __init__(self, external_id: str):
        super().__init__(f"The listing has no photo {external_id!r}.")


def with_details(listings: QuerySet[Listing]) -> QuerySet[Listing]:
    """The listings with everything that ListingCard reads, in two queries."""
    return listings.select_related("seller", "category", "place").prefetch_related("photos")


def visible() -> QuerySet[Listing]:
    """The listings that anyone may see: active ones, with details."""
    return with_details(Listing.objects.filter(status=Listing.Status.ACTIVE))


def read_visible(listing_ids: Sequence[int]) -> dict[int, Listing]:
    """The active ones of these listings by id, with all that ListingCard reads."""
    with connection.cursor() as cursor:
        cursor.execute(_VISIBLE, [list(listing_ids), Listing.Status.ACTIVE])
        return {listing.pk: listing for row in cursor.fetchall() for listing in [_listing(row)]}


def _listing(row: Sequence[Any]) -> Listing:
    own, (seller, path, name, county, photos) = row[: len(_LISTING)], row[len(_LISTING) :]
    listing = _loaded(Listing, [field.attname for field in _LISTING], own)
    listing.seller = _loaded(Actor, ["id", *_SELLER], [listing.seller_id, seller])
    listing.category = _loaded(Category, ["id", *_CATEGORY], [listing.category_id, path])
    listing.place = (
        None
        if listing.place_id is None
        else _loaded(Place, ["id", *_PLACE], [listing.place_id, name, county])
    )
    _prefetch(listing, photos or ())
    return listing


def _prefetch(listing: Listing, photos: Sequence[Sequence[Any]]) -> None:
    """Set the photos as `prefetch_related` does."""
    found = Photo.objects.none()
    names = [field.attname for field in _PHOTO]
    found._result_cache = [_loaded(Photo, names, values) for values in photos]  # type: ignore[attr-defined]
    listing._prefetched_objects_cache = {"photos": found}  # type: ignore[attr-defined]


def _loaded(kind: type[Row], names: Sequence[str], values: Sequence[Any]) -> Row:
    """A row of a model as the ORM loads it. names: in the order of the model's fields."""
    return kind.from_db(connection.alias, names, values)


def first_visible(listing_ids: list[int], limit: int) -> list[Listing]:
    """The first `limit` listings that are active now, in the order of these ids."""
    listings: list[Listing] = []
    step = max(int(limit * SPARE_SHARE), LEAST_STEP)
    for start in range(0, len(listing_ids), step):
        step_ids = listing_ids[start : start + step]
        by_id = read_visible(step_ids)
        listings += [by_id[pk] for pk in step_ids if pk in by_id]
        if len(listings) >= limit:
            break
    return listings[:limit]


def ids_sold_by(listing_ids: Sequence[int], actor: Actor | None) -> frozenset[int]:
    """The ids among these whose listings the actor sells."""
    if actor is None:
        return frozenset()
    return frozenset(Listing.objects.filter(pk__in=listing_ids, seller=actor).values_list("pk", flat=True))


def page_of(caller: Caller, external_id: str) -> Listing:
    """The listing with details, for a page about it: as `for_caller`, and also when it is reserved or sold.

    Raises NoSuchListing.
    """
    public = with_details(Listing.objects.filter(status__in=Listing.PUBLIC, external_id=external_id)).first()
    return public or for_caller(caller, external_id)


def public_in_order(listing_ids: Sequence[int]) -> list[Listing]:
    """Those of these listings that are or were for sale, with details, in this order."""
    by_id = with_details(Listing.objects.filter(status__in=Listing.PUBLIC)).in_bulk(listing_ids)
    return [by_id[pk] for pk in listing_ids if pk in by_id]


def public_by_external_id(external_ids: Sequence[str]) -> list[Listing]:
    """As `public_in_order`, by external ids."""
    public = with_details(Listing.objects.filter(status__in=Listing.PUBLIC))
    by_id = {listing.external_id: listing for listing in public.filter(external_id__in=external_ids)}
    return [by_id[name] for name in external_ids if name in by_id]


def others_of_seller(listing: Listing, limit: int) -> list[Listing]:
    """What else the seller has on sale, the newest first."""
    others = visible().filter(seller=listing.seller_id).exclude(pk=listing.pk)
    return list(others.order_by("-created_at", "-pk")[:limit])


def for_caller(caller: Caller, external_id: str) -> Listing:
    """The listing, if this caller may see it: only its owner, staff and services see one that is not active.

    Raises NoSuchListing in both cases, so that callers cannot probe for hidden listings.
    """
    shown = Q(status=Listing.Status.ACTIVE)
    if caller.sees_hidden:
        shown = Q()
    elif caller.actor is not None:
        shown |= Q(seller=caller.actor)
    listing = with_details(Listing.objects.filter(shown, external_id=external_id)).first()
    if listing is None:
        raise NoSuchListing(external_id)
    return listing


def public_listing(external_id: str) -> Listing:
    """A listing that is on the market or sold, as the source of similar listings. Raises NoSuchListing."""
    listing = Listing.objects.filter(status__in=Listing.PUBLIC, external_id=external_id).first()
    if listing is None:
        raise NoSuchListing(external_id)
    return listing


def categories_below(*paths: str) -> list[int]:
    """Primary keys of these categories and all below them, in one query. Raises NoSuchCategory."""
    below = (Q(path__startswith=path + Category.SEPARATOR) for path in paths)
    found = dict(Category.objects.filter(reduce(or_, below, Q(path__in=paths))).values_list("path", "pk"))
    if unknown := [path for path in paths if path not in found]:
        raise NoSuchCategory(unknown[0])
    return list(found.values())
