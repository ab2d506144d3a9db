"""Rows of the files of an import, whatever their format, and the opening of these files."""

import csv
import gzip
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from listings.errors import Invalid

COMPRESSED = ".gz"


class BadImport(Invalid):
    """A file of the import is missing or has the wrong format. Nothing was imported."""


def opened(path: Path) -> BinaryIO:
    """The bytes of a file, unpacked where its name ends in .gz. Raises BadImport."""
    try:
        return cast(BinaryIO, gzip.open(path)) if is_compressed(path) else path.open("rb")
    except OSError as error:
        raise BadImport(f"{path} cannot be read: {error.strerror}.") from None


def opened_text(path: Path, encoding: str, newline: str, errors: str) -> TextIO:
    """The text of a file, as Python's open() gives it. Raises BadImport."""
    try:
        if is_compressed(path):
            return cast(TextIO, gzip.open(path, "rt", encoding=encoding, newline=newline, errors=errors))
        return path.open(encoding=encoding, newline=newline, errors=errors)
    except OSError as error:
        raise BadImport(f"{path} cannot be read: {error.strerror}.") from None


def is_compressed(path: Path) -> bool:
    return path.suffix.lower() == COMPRESSED


def ending_of(path: Path) -> str:
    """The ending that tells the format, without .gz, in small letters."""
    return (path.with_suffix("") if is_compressed(path) else path).suffix.lower()


@dataclass(frozen=True)
class Row:
    """One row. A header is row 1, as in a spreadsheet. `problem` is the reason why a row has no cells.

    Cells of CSV are text; those of other formats are as they were written. A cell that a row of JSON leaves
    out is missing.
    """

    number: int
    line: int  # where it begins; the same as `number` where rows have no lines
    cells: dict[str, object] = field(default_factory=dict)
    problem: str = ""


def plain_header(names: Iterable[str]) -> tuple[str, ...]:
    """Names of columns in small letters, with _ for blanks and hyphens: `Created At` is created_at."""
    return tuple(re.sub(r"[\s_-]+", "_", name.strip().strip("\ufeff").casefold()) for name in names)


def refuse_repeated(header: Iterable[str], path: object) -> None:
    """Raise BadImport when two columns have one name. Columns without a name are passed over."""
    seen: set[str] = set()
    for name in filter(None, header):
        if name in seen:
            raise BadImport(f"{path} has two columns {name!r}.")
        seen.add(name)


@contextmanager
def rows_written(path: Path, columns: Sequence[str]) -> Iterator[Callable[[Iterable[object]], object]]:
    """A function that writes a row to this CSV file. Raises BadImport when it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise BadImport(f"{path} cannot be written: {error.strerror}.") from None
    with file:
        writer = csv.writer(file)
        writer.writerow(columns)
        yield writer.writerow
