"""The listing that a row of a file describes, or the reason why it describes none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite

from django.core.exceptions import ValidationError

from listings.batches.listings import ListingRow
from listings.importing import cleaning
from listings.importing.columns import NAMES, Columns, text_of
from listings.models import Category, Listing, Place
from listings.photos.download import BadPhotoUrl, check_photo_url
from listings.photos.requests import RequestedPhoto
from listings.validation import check_external_id
from listings.values.prices import OtherCurrency, UnreadablePrice, read_price

LONGEST_TITLE = Listing._meta.get_field("title").max_length or 0
LONGEST_CATEGORY = Category._meta.get_field("path").max_length or 0
LONGEST_ID = Listing._meta.get_field("external_id").max_length or 0
LARGEST_VERSION = 2**63 - 1
# Columns that a file may lack. What it lacks stays as it is in listings that are there already.
KEPT = frozenset({"description", "condition", "place", "latitude", "longitude"})


@dataclass(frozen=True)
class ImportOptions:
    """Options of an import.

    columns: the file's own names for columns of the API. encoding: None where it is recognised.
    """

    maximum_price: Decimal
    country: str
    currency: str
    seller_count: int = 2000
    dry_run: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None


class BadRow(Exception):
    """A row that cannot be imported. `reason` groups rows in the report; `detail` is specific to this row."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def read_listing(
    cells: Mapping[str, object], options: ImportOptions, places: Mapping[str, Place | None]
) -> ListingRow:
    """The cleaned listing of a row with the file's own names of columns. Raises BadRow.

    A row without a seller gets a synthetic one.
    """
    return listing_of(Columns(NAMES, options.columns).of(cells), options, places)


def listing_of(
    cells: Mapping[str, object], options: ImportOptions, places: Mapping[str, Place | None]
) -> ListingRow:
    """The same, from cells that have the names of the API."""
    photos = _photos(cells.get("photos"))
    texts = _texts({name: value for name, value in cells.items() if name != "photos"})
    location = cleaning.clean_cell(texts.get("place", ""))
    category = cleaning.clean_category(texts.get("category", ""))
    listing_id = _checked_id("id", texts.get("external_id", ""))
    place, point = places.get(location), _point(texts)
    if point is None and place is not None:
        point = (place.latitude, place.longitude)
    title = cleaning.clean_title(texts.get("title", ""), location)
    return ListingRow(
        external_id=listing_id,
        seller=_seller(texts, listing_id, options.seller_count),
        title=_checked("title", title, LONGEST_TITLE),
        category=_checked("category", category, LONGEST_CATEGORY),
        price=_checked_price(texts.get("price", ""), options),
        description=cleaning.clean_description(texts.get("description", ""), category, location),
        condition=_choice("condition", texts, Listing.Condition.values) or Listing.Condition.UNKNOWN,
        place=place,
        latitude=point[0] if point else None,
        longitude=point[1] if point else None,
        status=_choice("status", texts, Listing.Status.values) or None,
        source_version=_version(texts.get("source_version", "")),
        created_at=_time(texts.get("created_at", "")),
        photos=photos,
        left_out=_left_out(texts, place, point),
    )


def names_seller(cells: Mapping[str, object]) -> bool:
    """Whether a row says whose listing it is."""
    return bool(cleaning.clean_cell(str(cells.get("seller") or "")))


def _texts(cells: Mapping[str, object]) -> dict[str, str]:
    texts = {}
    for name, value in cells.items():
        try:
            texts[name] = text_of(value)
        except ValueError as error:
            raise BadRow(f"unreadable {name}", str(error)) from None
    return texts


def _left_out(texts: Mapping[str, str], place: Place | None, point: tuple | None) -> frozenset[str]:
    """Fields that the row says nothing about. Its place brings coordinates."""
    said = set(texts) | ({"latitude", "longitude"} if "place" in texts or point else set())
    return KEPT - said


def _seller(texts: Mapping[str, str], listing_id: str, seller_count: int) -> str:
    seller = cleaning.clean_id(texts.get("seller", ""))
    return _checked_id("seller", seller) if seller else cleaning.seller_of(listing_id, seller_count)


def _checked(name: str, text: str, longest: int) -> str:
    if not text:
        raise BadRow(f"no {name}")
    if len(text) > longest:
        raise BadRow(f"a {name} of over {longest} characters", text[:60] + "...")
    return text


def _checked_id(name: str, text: str) -> str:
    checked = _checked(name, cleaning.clean_id(text), LONGEST_ID)
    try:
        check_external_id(checked)
    except ValidationError as error:
        raise BadRow(
            f"{'an id' if name == 'id' else f'a {name}'} that cannot be used", str(error.message)
        ) from None
    return checked


def _checked_price(text: str, options: ImportOptions) -> Decimal:
    if not (cell := cleaning.clean_cell(text)):
        raise BadRow("no price")
    try:
        price = read_price(cell, currency=options.currency, country=options.country)
    except OtherCurrency as error:
        raise BadRow(str(error), repr(cell[:60])) from None
    except UnreadablePrice as error:
        why = f": {error}" if str(error) else ""
        raise BadRow("unreadable price", f"{text.strip()[:60]!r}{why}") from None
    if price > options.maximum_price:
        raise BadRow(f"a price over {options.maximum_price:,}", cell)
    return price


def _choice(name: str, texts: Mapping[str, str], values: list[str]) -> str:
    """The value, however its words are written: `Like new` is like_new. Empty without one."""
    cell = cleaning.clean_cell(texts.get(name, ""))
    value = re.sub(r"[\s-]+", "_", cell.casefold())
    if value and value not in values:
        raise BadRow(f"unknown {name}", f"{cell[:60]!r}; known are {', '.join(values)}")
    return value


def _point(texts: Mapping[str, str]) -> tuple[float, float] | None:
    """Latitude and longitude, or None without them."""
    cells = [cleaning.clean_cell(texts.get(name, "")) for name in ("latitude", "longitude")]
    if not any(cells):
        return None
    try:
        latitude, longitude = (float(cell) for cell in cells)
    except ValueError:
        raise BadRow("unreadable coordinates", repr(", ".join(cells)[:60])) from None
    if not (isfinite(latitude) and isfinite(longitude) and abs(latitude) <= 90 and abs(longitude) <= 180):
        raise BadRow("coordinates that are not on Earth", ", ".join(cells))
    return latitude, longitude


def _version(text: str) -> int | None:
    cell = cleaning.clean_cell(text)
    if not cell:
        return None
    if not (cell.isdecimal() and len(cell) < 20 and int(cell) <= LARGEST_VERSION):
        raise BadRow("unreadable source_version", repr(cell[:60]))
    return int(cell)


def _time(text: str) -> datetime | None:
    """A time of ISO 8601; without a zone it is taken as UTC."""
    cell = cleaning.clean_cell(text)
    if not cell:
        return None
    try:
        time = datetime.fromisoformat(cell)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRow("unreadable created_at", f"{cell[:60]!r} is no time such as 2026-03-14T12:00Z") from None


def _photos(value: object) -> tuple[RequestedPhoto, ...]:
    """Photos by address, which a worker fetches later. Only formats with lists have them."""
    if value in (None, "", []):
        return ()
    if not isinstance(value, list):
        raise BadRow("unreadable photos", "they are no list of objects with id and url")
    photos = []
    for place, photo in enumerate(value):
        if not isinstance(photo, dict) or not {"id", "url"} <= photo.keys():
            raise BadRow("unreadable photos", f"photos.{place} is no object with id and url")
        try:
            check_photo_url(str(photo["url"]))
        except BadPhotoUrl as error:
            raise BadRow("a photo that cannot be fetched", f"photos.{place}.url: {error.detail}") from None
        photos.append(RequestedPhoto(_checked_id("photo", str(photo["id"])), str(photo["url"])))
    return tuple(photos)
