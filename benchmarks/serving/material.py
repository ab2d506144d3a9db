"""Adverts from which the catalogue of the benchmark is tiled: read from a folder, or made up."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
from django.conf import settings
from listings.importing.csv_import import PRODUCT_COLUMNS, BadRow, ImportOptions, read_listing

from benchmarks.protocol import BadData
from listings import places
from listings.batches.listings import ListingRow
from listings.errors import DomainError
from listings.importing import cleaning
from listings.importing.files import CsvRow, read_rows
from listings.models import Category, Place

MADE_COUNT = 2000
ROOTS, KINDS = 12, 30  # root categories, and kinds of things in each
ADJECTIVES = "red blue green black white oak pine steel small large old modern folding heavy light".split()  # noqa: SIM905
COUNTRY = "GB"


@dataclass(frozen=True)
class Advert:
    """An advert without its seller and photos."""

    title: str
    description: str
    category: str  # path
    price: Decimal
    latitude: float | None
    longitude: float | None


def read_material(data: Path | None) -> list[Advert]:
    """The adverts of a folder with Products.csv, or made ones. Raises BadData."""
    try:
        return _made() if data is None else _read(data)
    except DomainError as error:
        raise BadData(error.detail) from None


def _read(data: Path) -> list[Advert]:
    places.load_gazetteer(COUNTRY)
    rows = [row for row in read_rows(data / "Products.csv", PRODUCT_COLUMNS) if not row.problem]
    options = ImportOptions(settings.ENVIRONMENT.maximum_price, COUNTRY)
    locations = {cleaning.clean_cell(row.cells.get("location", "")) for row in rows} - {""}
    placed = places.place_locations(locations, COUNTRY)
    listings = [listing for row in rows if (listing := _listing(row, options, placed))]
    return [
        Advert(row.title, row.description, row.category, row.price, row.latitude, row.longitude)
        for row in listings
    ]


def _listing(row: CsvRow, options: ImportOptions, placed: dict[str, Place | None]) -> ListingRow | None:
    try:
        return read_listing(row.cells, options, placed)
    except BadRow:
        return None


def _made() -> list[Advert]:
    rng = np.random.default_rng(0)
    adverts = []
    for number in range(MADE_COUNT):
        root, kind = int(rng.integers(ROOTS)), int(rng.integers(KINDS) * rng.random())
        words = " ".join(rng.choice(ADJECTIVES, 3))
        path = Category.SEPARATOR.join([f"Root {root}", f"Branch {kind % 5}", f"Kind {kind}"])
        adverts.append(
            Advert(
                title=f"{words} thing{root}x{kind} number {number}",
                description=f"A {words} thing{root}x{kind}. " + " ".join(rng.choice(ADJECTIVES, 40)),
                category=path,
                price=Decimal(int(rng.lognormal(4, 1)) + 1),
                latitude=float(rng.uniform(50.5, 55)),
                longitude=float(rng.uniform(-4, 1)),
            )
        )
    return adverts
