"""Active listings with their details, read in one statement: most of what a page of listings costs."""

from collections.abc import Sequence
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model

from listings.models import Actor, Category, Listing, Photo, Place

Row = TypeVar("Row", bound=Model)

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
