"""Adverts from which the catalogue of the benchmark is tiled: read from a folder, or made up."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from benchmarks.protocol import BadData
from benchmarks.stored_adverts import read_listings
from listings.errors import DomainError
from listings.models import Category

MADE_COUNT = 2000
ROOTS, KINDS = 12, 30  # root categories, and kinds of things in each
ADJECTIVES = "red blue green black white oak pine steel small large old modern folding heavy light".split()  # noqa: SIM905


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
    return [
        Advert(row.title, row.description, row.category, row.price, row.latitude, row.longitude)
        for row in read_listings(data)
    ]


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
