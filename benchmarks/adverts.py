"""Real adverts with photos, cleaned as the importer does it, but read into memory instead of the database."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks import installation  # noqa: F401  first, since it sets Django up for the importer
from benchmarks.protocol import BadData
from listings.errors import DomainError
from listings.importing import cleaning
from listings.importing.files import open_photos
from listings.models import Category
from listings.row_files.reading import read_rows
from ml.arrays import Rows

COLUMNS = frozenset({"id", "product_name", "category", "product_description", "location"})


@dataclass(frozen=True)
class Adverts:
    """Adverts with their photos. `Posted by ... in CATEGORY` is removed from the descriptions."""

    titles: list[str]
    descriptions: list[str]
    paths: list[str]  # full category paths
    photos: list[tuple[Path, str]]  # folder of adverts, and the name of the photo in it
    owners: Rows  # (p,) int64: the advert of each photo

    def __len__(self) -> int:
        return len(self.titles)

    @cached_property
    def roots(self) -> list[str]:
        return [path.split(Category.SEPARATOR)[0] for path in self.paths]

    def open_photos(self, positions: Sequence[int]) -> list[io.BytesIO]:
        """These photos as files, in this order."""
        sources = {folder: open_photos(folder) for folder in {self.photos[place][0] for place in positions}}
        chosen = [self.photos[place] for place in positions]
        return [io.BytesIO(sources[folder].read(name)) for folder, name in chosen]


def read_adverts(folder: Path) -> Adverts:
    """Adverts with a title and a category, and the photos that Images.csv assigns to them. Raises BadData."""
    try:
        return _read(folder)
    except DomainError as error:
        raise BadData(error.detail) from None


def joined(first: Adverts, second: Adverts) -> Adverts:
    """The adverts of both, in this order."""
    return Adverts(
        first.titles + second.titles,
        first.descriptions + second.descriptions,
        first.paths + second.paths,
        first.photos + second.photos,
        np.concatenate([first.owners, second.owners + len(first)]),
    )


def _read(folder: Path) -> Adverts:
    row_of: dict[str, int] = {}
    titles, descriptions, paths = [], [], []
    for row in read_rows(folder / "Products.csv", COLUMNS):
        if row.problem:
            continue
        location = cleaning.clean_cell(str(row.cells["location"]))
        category = cleaning.clean_category(str(row.cells["category"]))
        title = cleaning.clean_title(str(row.cells["product_name"]), location)
        advert_id = cleaning.clean_cell(str(row.cells["id"]))
        if not (title and category and advert_id) or advert_id in row_of:
            continue
        row_of[advert_id] = len(titles)
        titles.append(title)
        descriptions.append(
            cleaning.clean_description(str(row.cells["product_description"]), category, location)
        )
        paths.append(category)
    photos, owners = _photos(folder, row_of)
    return Adverts(titles, descriptions, paths, photos, np.array(owners, dtype=np.int64))


def _photos(folder: Path, row_of: dict[str, int]) -> tuple[list[tuple[Path, str]], list[int]]:
    name_of = {Path(name).stem: name for name in open_photos(folder).names()}
    photos, owners = [], []
    for row in read_rows(folder / "Images.csv", frozenset({"id", "product_id"})):
        if row.problem:
            continue
        name = name_of.pop(cleaning.clean_cell(str(row.cells["id"])), None)
        owner = row_of.get(cleaning.clean_cell(str(row.cells["product_id"])))
        if name is not None and owner is not None:
            photos.append((folder, name))
            owners.append(owner)
    return photos, owners
