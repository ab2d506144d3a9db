"""Import of adverts, their images and photos. Rows that cannot be imported are reported and skipped."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from django.utils import timezone

from listings.announcing import catalogue_transaction
from listings.batches.listings import ListingRow, RowResult, UpsertOutcome, upsert_batch
from listings.importing import cleaning
from listings.importing.adverts import BadRow, ImportOptions, listing_of, names_seller
from listings.importing.columns import IMAGE_NAMES, NAMES, REQUIRED, Columns, known_names
from listings.importing.files import NoPhotos, Photos, open_photos
from listings.importing.photo_index import ImportIndex, import_index
from listings.importing.photos import PhotoImport
from listings.importing.report import IMAGES, PHOTOS, PRODUCTS, ImportReport
from listings.models import Listing, Place
from listings.places import load_gazetteer, place_locations
from listings.row_files.reading import ENDINGS, RowFile, open_rows
from listings.row_files.rows import COMPRESSED, Row

# The re-encoded photos of a chunk stay in memory until its transaction: at most about 0.5 MB each.
CHUNK_ROWS = 100


@dataclass(frozen=True)
class Progress:
    """Callbacks for progress: `start` with the number of adverts, `advance` with the length of each chunk."""

    start: Callable[[int], object] = lambda total: None
    advance: Callable[[int], object] = lambda number: None


@dataclass(frozen=True)
class Sources:
    """What there is to import."""

    products: RowFile
    images: RowFile | None
    photos: Photos


def import_adverts(source: Path, options: ImportOptions, report: ImportReport, progress: Progress) -> None:
    """Create and update the listings of a folder or a file, chunk by chunk.

    A folder holds Products.csv (or .jsonl, .parquet ...), and perhaps Images.csv and photos. Each chunk is
    one transaction: an interrupted import keeps the finished chunks, and the next run completes it. A dry
    run rolls back every transaction and stores no photo. Raises BadImport before anything is written.
    """
    columns = Columns(NAMES, options.columns)
    sources = _sources(source, options, columns)
    for name, file in ((PRODUCTS, sources.products), (IMAGES, sources.images)):
        if file is not None:
            report.describe(name, file.path.name, file.remark)
    with import_index() as index, ThreadPoolExecutor(os.cpu_count()) as threads:
        photo_import = PhotoImport(sources.photos, report, threads, dry_run=options.dry_run)
        _index_photos(sources, index, report)
        places = _places_of(_read_locations(sources.products, columns, report), options)
        progress.start(report.totals[PRODUCTS])
        listing_import = _ListingImport(options, report, index, places, photo_import, columns)
        for chunk in _chunks(sources.products.rows()):
            listing_import.import_chunk(chunk)
            progress.advance(len(chunk))
        photo_import.leave_out_rest(index)
    report.ignore_columns(PRODUCTS, columns.ignored)


def _sources(source: Path, options: ImportOptions, columns: Columns) -> Sources:
    known = known_names(NAMES, options.columns)
    is_folder = source.is_dir()
    path = (_file_called(PRODUCTS, source) or source / PRODUCTS) if is_folder else source
    products = open_rows(path, known, encoding=options.encoding)
    if products.header is not None:
        columns.check(products.header, REQUIRED, path)
    images = _file_called(IMAGES, source) if is_folder else None
    photos = open_photos(source) if is_folder else NoPhotos()
    return Sources(products, _images(images, options) if images else None, photos)


def _images(path: Path, options: ImportOptions) -> RowFile:
    file = open_rows(path, known_names(IMAGE_NAMES, {}), encoding=options.encoding)
    if file.header is not None:
        Columns(IMAGE_NAMES, {}).check(file.header, IMAGE_NAMES, path)
    return file


def _file_called(name: str, folder: Path) -> Path | None:
    """The file of this name in the folder, in any of the formats. None without one."""
    stem = Path(name).stem.casefold()
    names = [f"{stem}{ending}{packed}" for ending in ENDINGS for packed in ("", COMPRESSED)]
    found = {path.name.casefold(): path for path in sorted(folder.iterdir())}
    return next((found[name] for name in names if name in found), None)


def _index_photos(sources: Sources, index: ImportIndex, report: ImportReport) -> None:
    """Fill the index with the photo files and the image rows."""
    for name in sources.photos.names():
        report.totals[PHOTOS] += 1
        if not index.add_file(name):
            report.leave_out(PHOTOS, None, name, "another file has the same name")
    if sources.images is None:
        return
    columns = Columns(IMAGE_NAMES, {})
    for row in sources.images.rows():
        report.totals[IMAGES] += 1
        cells = columns.of(row.cells)
        image_id, listing_id = (str(cells.get(name) or "").strip() for name in IMAGE_NAMES)
        if row.problem:
            report.leave_out(IMAGES, row.number, "", "the row cannot be parsed", row.problem)
        elif not index.add_image(row.number, image_id, listing_id):
            report.leave_out(IMAGES, row.number, image_id, "its id stands in an earlier row")
    report.ignore_columns(IMAGES, columns.ignored)


def _read_locations(products: RowFile, columns: Columns, report: ImportReport) -> set[str]:
    """The distinct locations of all adverts, from which counties are derived. Counts the adverts too."""
    locations: set[str] = set()
    for row in products.rows():
        report.totals[PRODUCTS] += 1
        locations.add(cleaning.clean_cell(str(columns.of(row.cells).get("place") or "")))
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
        columns: Columns,
    ):
        self.options, self.report, self.index, self.places = options, report, index, places
        self.photo_import, self.columns = photo_import, columns

    def import_chunk(self, chunk: list[Row]) -> None:
        read = list(self._good_rows(chunk))
        known = _with_known_sellers([advert.listing for advert in read if not advert.names_seller])
        rows = [known.get(advert.listing.external_id, advert.listing) for advert in read]
        images = self.photo_import.receive(self.index.images_of([row.external_id for row in rows]))
        with _writing(dry_run=self.options.dry_run):
            results = upsert_batch(rows=rows, now=timezone.now(), is_moving_sellers=True)
            listing_ids = {result.external_id: result.listing_id for result in results}
            photo_results = self.photo_import.write(images, listing_ids)
        self.photo_import.count(images, listing_ids, photo_results)
        for advert, row, result in zip(read, rows, results, strict=True):
            self._count(advert.number, row, result)

    def _good_rows(self, chunk: list[Row]) -> Iterator["_Advert"]:
        for row in chunk:
            cells = self.columns.of(row.cells)
            try:
                yield _Advert(row.number, self._listing_row(row, cells), names_seller(cells))
            except BadRow as bad:
                listing_id = str(cells.get("external_id") or "")
                self.report.leave_out(PRODUCTS, row.number, listing_id, bad.reason, bad.detail)

    def _listing_row(self, row: Row, cells: dict[str, object]) -> ListingRow:
        if row.problem:
            raise BadRow("the row cannot be parsed", row.problem)
        listing = listing_of(cells, self.options, self.places)
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


@dataclass(frozen=True)
class _Advert:
    """A row that became a listing."""

    number: int
    listing: ListingRow
    names_seller: bool


def _with_known_sellers(rows: list[ListingRow]) -> dict[str, ListingRow]:
    """Rows by id. Listings that exist keep their sellers, also when the number of sellers changes."""
    stored = Listing.objects.filter(external_id__in=[row.external_id for row in rows])
    sellers = dict(stored.values_list("external_id", "seller__external_id"))
    return {row.external_id: replace(row, seller=sellers.get(row.external_id, row.seller)) for row in rows}


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, CHUNK_ROWS)):
        yield chunk
