"""The columns of a file of adverts, under the names of the API or those of common exports."""

import difflib
import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal

from listings.row_files.rows import BadImport, plain_header

# Each column of the API, and the names under which it is found. The first that a file has is taken.
NAMES = {
    "external_id": ("id", "external_id", "listing_id"),
    "seller": ("seller", "seller_id"),
    "title": ("product_name", "title", "name"),
    "description": ("product_description", "description"),
    "price": ("price",),
    "condition": ("condition",),
    "category": ("category", "category_path"),
    "place": ("location", "place", "town"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "lng", "long"),
    "status": ("status",),
    "source_version": ("source_version",),
    "created_at": ("created_at", "created", "date_created"),
    "photos": ("photos",),
}
IMAGE_NAMES = {"image_id": ("id", "image_id"), "listing_id": ("product_id", "listing_id", "external_id")}
REQUIRED = ("external_id", "title", "category", "price")
LARGEST_WHOLE_FLOAT = 2**53  # a larger one may have lost digits


def known_names(names: Mapping[str, tuple[str, ...]], mapping: Mapping[str, str]) -> frozenset[str]:
    """All names under which a file may hold these columns."""
    return frozenset(name for some in names.values() for name in some) | set(mapping.values())


def checked_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """Columns and what the file calls them, from texts such as `title=Headline`. Raises BadImport."""
    mapping = {}
    for pair in pairs:
        column, _, name = pair.partition("=")
        if column not in NAMES or not name.strip():
            raise BadImport(f"{pair!r} is no COLUMN=NAME; columns are {', '.join(NAMES)}.")
        mapping[column] = plain_header([name])[0]
    return mapping


class Columns:
    """Which names of a file stand for which columns. What stands for none is kept in `ignored`."""

    def __init__(self, names: Mapping[str, tuple[str, ...]], mapping: Mapping[str, str]):
        self.names = {
            column: (mapping[column],) if column in mapping else some for column, some in names.items()
        }
        self.ignored: set[str] = set()

    def check(self, header: tuple[str, ...], required: Iterable[str], path: object) -> None:
        """Raise BadImport when a required column has none of its names."""
        for column in required:
            if not set(self.names[column]) & set(header):
                near = difflib.get_close_matches(self.names[column][0], header, 1) or header[:1]
                raise BadImport(
                    f"{path} has no column {' or '.join(self.names[column])}; it has "
                    f"{', '.join(filter(None, header))}. --column {column}={near[0] if near else 'NAME'} "
                    "names another."
                )

    def of(self, cells: Mapping[str, object]) -> dict[str, object]:
        """The cells under the names of the columns, those that the row has."""
        found = {
            column: next(name for name in some if name in cells)
            for column, some in self.names.items()
            if not cells.keys().isdisjoint(some)
        }
        self.ignored.update(cells.keys() - found.values() - {""})
        return {column: cells[name] for column, name in found.items()}


def text_of(value: object) -> str:
    """The value of a cell as text. Whole numbers have no point: an id stays as it was. Raises ValueError.

    ValueError: for a list or an object, and for a number that has lost digits already.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        if value.is_integer():
            if abs(value) >= LARGEST_WHOLE_FLOAT:
                raise ValueError("a number stored as a fraction, which has lost digits")
            return str(int(value))
        # A price of 32 bits, such as 19.989999771118164, was 19.99.
        is_price = math.isclose(value, round(value, 2), rel_tol=1e-6)
        return repr(round(value, 2 if is_price else 9))
    if isinstance(value, bool) or not isinstance(value, int | Decimal | date | datetime):
        raise ValueError("neither text nor a number")
    return value.isoformat() if isinstance(value, date | datetime) else str(value)
