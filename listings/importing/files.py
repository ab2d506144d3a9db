"""Readers of the files of an import, in constant memory."""

import csv
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from django.conf import settings

from listings.errors import Invalid
from listings.photos.processing import BadPhoto

# A longer field means a quote that was never closed, which would swallow the rest of the file.
LONGEST_FIELD = 1_000_000
CARRIAGE_RETURN = "\x1e"  # replaces \r while a row is parsed; cleaning.py drops both
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
PHOTO_PLACES = ("images_fb.zip", "images_fb", "images.zip", "images")


class BadImport(Invalid):
    """A file of the import is missing or has the wrong format. Nothing was imported."""


@dataclass(frozen=True)
class CsvRow:
    """One row. The header is row 1, as in a spreadsheet. `problem` is the reason why a row has no cells."""

    number: int
    cells: dict[str, str] = field(default_factory=dict)
    problem: str = ""


def read_rows(path: Path, columns: frozenset[str]) -> Iterator[CsvRow]:
    """Yield the rows of a CSV file. Only a newline ends a row.

    A carriage return inside a field, quoted or not, belongs to the field. A row with the wrong number of
    fields has a `problem` and reading goes on. Raises BadImport when the file or a column is missing.
    """
    csv.field_size_limit(LONGEST_FIELD)
    with _opened(path) as file:
        reader = csv.reader(_with_bare_newlines(file))
        header = next(reader, [])
        if missing := columns - set(header):
            raise BadImport(f"{path} has no column {', '.join(sorted(missing))}; it has {', '.join(header)}.")
        for number, fields in enumerate(_parsed(reader), start=2):
            yield _row(number, header, fields)


def _opened(path: Path) -> TextIO:
    try:
        return path.open(encoding="utf-8-sig", errors="replace", newline="\n")
    except OSError as error:
        raise BadImport(f"{path} cannot be read: {error.strerror}.") from None


def _with_bare_newlines(file: TextIO) -> Iterator[str]:
    for line in file:
        content = line.removesuffix("\n").removesuffix("\r")
        yield content.replace("\r", CARRIAGE_RETURN).replace("\0", "") + "\n"


def _parsed(reader: Iterator[list[str]]) -> Iterator[list[str] | None]:
    while True:
        try:
            if fields := next(reader):
                yield fields
        except csv.Error:
            yield None
        except StopIteration:
            return


def _row(number: int, header: list[str], fields: list[str] | None) -> CsvRow:
    if fields is None:
        return CsvRow(number, problem=f"a field of over {LONGEST_FIELD:,} characters")
    if len(fields) != len(header):
        return CsvRow(number, problem=f"{len(fields)} fields where the header has {len(header)}")
    cells = (cell.replace(CARRIAGE_RETURN, "\r") for cell in fields)
    return CsvRow(number, dict(zip(header, cells, strict=True)))


class ZippedPhotos:
    """Photos in a zip file. A photo's id is its name without folder and suffix."""

    def __init__(self, path: Path):
        try:
            self.archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise BadImport(f"{path} cannot be read as a zip file: {error}.") from None

    def names(self) -> Iterator[str]:
        return (name for name in self.archive.namelist() if _is_photo(Path(name)))

    def read(self, name: str) -> bytes:
        """The bytes of a photo. Raises BadPhoto when it is damaged or too large."""
        try:
            _refuse_large(self.archive.getinfo(name).file_size)
            return self.archive.read(name)
        except (OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
            raise BadPhoto(f"The file cannot be unpacked: {error}.") from None


class PhotosInFolder:
    """Photos in a folder, at any depth."""

    def __init__(self, path: Path):
        self.path = path

    def names(self) -> Iterator[str]:
        paths = (path for path in self.path.rglob("*") if _is_photo(path) and path.is_file())
        return (str(path.relative_to(self.path)) for path in paths)

    def read(self, name: str) -> bytes:
        """The bytes of a photo. Raises BadPhoto when it is unreadable or too large."""
        try:
            _refuse_large((self.path / name).stat().st_size)
            return (self.path / name).read_bytes()
        except OSError as error:
            raise BadPhoto(f"The file cannot be read: {error.strerror}.") from None


def open_photos(folder: Path) -> ZippedPhotos | PhotosInFolder:
    """The photos of a folder of adverts. Raises BadImport when there are none."""
    for name in PHOTO_PLACES:
        path = folder / name
        if path.is_dir():
            return PhotosInFolder(path)
        if path.exists():
            return ZippedPhotos(path)
    raise BadImport(f"{folder} has no photos: found none of {', '.join(PHOTO_PLACES)}.")


def _is_photo(path: Path) -> bool:
    hidden = path.name.startswith(".") or path.parts[0] == "__MACOSX"
    return path.suffix.lower() in PHOTO_SUFFIXES and not hidden


def _refuse_large(byte_count: int) -> None:
    if byte_count > settings.ENVIRONMENT.photo_maximum_bytes:
        raise BadPhoto(f"The file has {byte_count:,} bytes, which is over the maximum.")
