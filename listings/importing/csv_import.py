"""Import of Products.csv, Images.csv and photos. Rows that cannot be imported are reported and skipped."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from pathlib import Path

from django.core.exceptions import ValidationError
from django.utils import timezone

from listings.announcing import catalogue_transaction
from listings.batches.listings import ListingRow, RowResult, UpsertOutcome, upsert_batch
from listings.importing import cleaning
from listings.importing.files import CsvRow, open_photos, read_rows
from listings.importing.photo_index import ImportIndex, import_index
from listings.importing.photos import PhotoImport
from listings.importing.report import IMAGES, PHOTOS, PRODUCTS, ImportReport
from listings.models import Category, Listing, Place
from listings.places import load_gazetteer, place_locations
from listings.validation import check_external_id

PRODUCT_COLUMNS = frozenset({"id", "product_name", "category", "product_description", "price", "location"})
IMAGE_COLUMNS = frozenset({"id", "product_id"})
# The re-encoded photos of a chunk stay in memory until its transaction: at most about 0.5 MB each.
CHUNK_ROWS = 100
LONGEST_TITLE = Listing._meta.get_field("title").max_length or 0
LONGEST_CATEGORY = Category._meta.get_field("path").max_length or 0
LONGEST_ID = Listing._meta.get_field("external_id").max_length or 0


@dataclass(frozen=True)
class ImportOptions:
    maximum_price: Decimal
    country: str
    seller_count: int = 2000
    dry_run: bool = False


@dataclass(frozen=True)
class Progress:
    """Callbacks for progress: `start` with the number of adverts, `advance` with the length of each chunk."""

    start: Callable[[int], object] = lambda total: None
    advance: Callable[[int], object] = lambda number: None


class BadRow(Exception):
    """A row that cannot be imported. `reason` groups rows in the report; `detail` is specific to this row."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def import_folder(folder: Path, options: ImportOptions, report: ImportReport, progress: Progress) -> None:
    """Create and update the listings of a folder of Products.csv, Images.csv and photos, chunk by chunk.

    Each chunk is one transaction: an interrupted import keeps the finished chunks, and the next run completes
    it. A dry run rolls back every transaction and stores no photo. Raises BadImport before anything is
    written.
    """
    photo_files = open_photos(folder)
    with import_index() as index, ThreadPoolExecutor(os.cpu_count()) as threads:
        photo_import = PhotoImport(photo_files, report, threads, dry_run=options.dry_run)
        _read_images(folder, index, report, photo_files.names())
        locations = _read_locations(folder, report)
        progress.start(report.totals[PRODUCTS])
        listing_import = _ListingImport(options, report, index, _places_of(locations, options), photo_import)
        for chunk in _chunks(read_rows(folder / PRODUCTS, PRODUCT_COLUMNS)):
            listing_import.import_chunk(chunk)
            progress.advance(len(chunk))
        photo_import.leave_out_rest(index)


def _read_images(folder: Path, index: ImportIndex, report: ImportReport, photo_names: Iterable[str]) -> None:
    """Fill the index with the photo files and the image rows."""
    report.totals[PHOTOS] = index.add_files(photo_names)
    for row in read_rows(folder / IMAGES, IMAGE_COLUMNS):
        report.totals[IMAGES] += 1
        image_id, listing_id = (row.cells.get(name, "").strip() for name in ("id", "product_id"))
        if row.problem:
            report.leave_out(IMAGES, row.number, "", "the row cannot be parsed", row.problem)
        elif not index.add_image(row.number, image_id, listing_id):
            report.leave_out(IMAGES, row.number, image_id, "its id stands in an earlier row")


def _read_locations(folder: Path, report: ImportReport) -> set[str]:
    """The distinct locations of all adverts, from which counties are derived. Counts the adverts too."""
    locations: set[str] = set()
    for row in read_rows(folder / PRODUCTS, PRODUCT_COLUMNS):
        report.totals[PRODUCTS] += 1
        locations.add(cleaning.clean_cell(row.cells.get("location", "")))
    return locations - {""}


def _places_of(locations: set[str], options: ImportOptions) -> dict[str, Place | None]:
    with _writing(dry_run=options.dry_run):
        if not Place.objects.filter(country=options.country).exists():
            load_gazetteer(options.country)
        return place_locations(locations, options.country)


@contextmanager
def _writing(*, dry_run: bool) -> Iterator[None]:
    """One transaction of an import. A dry run rolls it back."""
    with suppress(_RolledBack), catalogue_transaction():
        yield
        if dry_run:
            raise _RolledBack


class _RolledBack(Exception):
    pass


class _ListingImport:
    """Turns chunks of rows into listings with their photos."""

    def __init__(
        self,
        options: ImportOptions,
        report: ImportReport,
        index: ImportIndex,
        places: dict[str, Place | None],
        photo_import: PhotoImport,
    ):
        self.options, self.report, self.index, self.places = options, report, index, places
        self.photo_import = photo_import

    def import_chunk(self, chunk: list[CsvRow]) -> None:
        rows_by_number = dict(self._good_rows(chunk))
        rows = _with_known_sellers(list(rows_by_number.values()))
        images = self.photo_import.receive(self.index.images_of([row.external_id for row in rows]))
        with _writing(dry_run=self.options.dry_run):
            results = upsert_batch(rows=rows, now=timezone.now())
            listing_ids = {result.external_id: result.listing_id for result in results}
            photo_results = self.photo_import.write(images, listing_ids)
        self.photo_import.count(images, listing_ids, photo_results)
        for number, row, result in zip(rows_by_number, rows, results, strict=True):
            self._count(number, row, result)

    def _good_rows(self, chunk: list[CsvRow]) -> Iterator[tuple[int, ListingRow]]:
        for row in chunk:
            try:
                yield row.number, self._listing_row(row)
            except BadRow as bad:
                self.report.leave_out(PRODUCTS, row.number, row.cells.get("id", ""), bad.reason, bad.detail)

    def _listing_row(self, row: CsvRow) -> ListingRow:
        if row.problem:
            raise BadRow("the row cannot be parsed", row.problem)
        listing = read_listing(row.cells, self.options, self.places)
        if not self.index.add_advert(listing.external_id):
            raise BadRow("its id stands in an earlier row")
        return listing

    def _count(self, number: int, row: ListingRow, result: RowResult) -> None:
        if result.outcome == UpsertOutcome.REJECTED:
            self.report.leave_out(
                PRODUCTS, number, row.external_id, "refused by the catalogue", result.reason
            )
        else:
            self.report.placed_count += row.place is not None
            self.report.count(PRODUCTS, result.outcome)


def read_listing(
    cells: dict[str, str], options: ImportOptions, places: dict[str, Place | None]
) -> ListingRow:
    """The cleaned listing of a row of Products.csv. Raises BadRow when it cannot be imported."""
    location = cleaning.clean_cell(cells["location"])
    category = cleaning.clean_category(cells["category"])
    listing_id = _checked_id(cells["id"])
    place = places.get(location)
    return ListingRow(
        external_id=listing_id,
        seller=cleaning.seller_of(listing_id, options.seller_count),
        title=_checked("title", cleaning.clean_title(cells["product_name"], location), LONGEST_TITLE),
        category=_checked("category", category, LONGEST_CATEGORY),
        price=_checked_price(cells["price"], options.maximum_price),
        description=cleaning.clean_description(cells["product_description"], category, location),
        place=place,
        latitude=place.latitude if place else None,
        longitude=place.longitude if place else None,
    )


def _checked(name: str, text: str, longest: int) -> str:
    if not text:
        raise BadRow(f"no {name}")
    if len(text) > longest:
        raise BadRow(f"a {name} of over {longest} characters", text[:60] + "...")
    return text


def _checked_id(text: str) -> str:
    listing_id = _checked("id", cleaning.clean_cell(text), LONGEST_ID)
    try:
        check_external_id(listing_id)
    except ValidationError as error:
        raise BadRow("an id that cannot be used", str(error.message)) from None
    return listing_id


def _checked_price(text: str, maximum: Decimal) -> Decimal:
    try:
        price = cleaning.clean_price(text)
    except cleaning.UnreadablePrice:
        raise BadRow("unreadable price", repr(cleaning.clean_cell(text)[:60])) from None
    if price > maximum:
        raise BadRow(f"a price over {maximum:,}", cleaning.clean_cell(text))
    return price


def _with_known_sellers(rows: list[ListingRow]) -> list[ListingRow]:
    """Rows with the stored sellers of existing listings, which stay when the number of sellers changes."""
    stored = Listing.objects.filter(external_id__in=[row.external_id for row in rows])
    sellers = dict(stored.values_list("external_id", "seller__external_id"))
    return [replace(row, seller=sellers.get(row.external_id, row.seller)) for row in rows]


def _chunks(rows: Iterator[CsvRow]) -> Iterator[list[CsvRow]]:
    while chunk := list(islice(rows, CHUNK_ROWS)):
        yield chunk
