"""Files of rows: CSV, JSON lines and Parquet, opened and read in one way, in constant memory."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from listings.row_files.csv_files import read_csv, recognise_dialect
from listings.row_files.encodings import encoding_name, recognise_encoding
from listings.row_files.rows import BadImport, Row, ending_of, opened_text, plain_header, refuse_repeated

CSV, JSON_LINES, PARQUET = (".csv", ".tsv", ".txt"), (".jsonl", ".ndjson", ".json"), (".parquet",)
ENDINGS = (*CSV, *JSON_LINES, *PARQUET)
BATCH_ROWS = 500
LONGEST_LINE = 10_000_000  # characters of a line of JSON


@dataclass(frozen=True)
class RowFile:
    """A file whose format is recognised. Its rows may be read more than once.

    header: the names of its columns; None where each row names its own.
    remark: what is unusual about its form, for the report; empty for the usual one.
    """

    path: Path
    header: tuple[str, ...] | None
    remark: str
    rows: Callable[[], Iterator[Row]]


def open_rows(path: Path, known: frozenset[str], *, encoding: str | None = None) -> RowFile:
    """Recognise a file by its ending, with or without .gz, and its content. Raises BadImport.

    known: the columns that it may have, by which the delimiter of a CSV file is recognised.
    """
    ending = ending_of(path)
    if ending in CSV:
        dialect = recognise_dialect(path, known, encoding)
        remark = "" if dialect.is_plain else f"read as {dialect}"
        return RowFile(path, dialect.header, remark, lambda: read_csv(path, dialect))
    if ending in JSON_LINES:
        encoding = recognise_encoding(path, encoding)
        remark = "" if encoding.startswith("utf-8") else f"read as {encoding_name(encoding)}"
        return RowFile(path, None, remark, lambda: _json_lines(path, encoding))
    if ending in PARQUET:
        names = plain_header(_parquet(path).schema_arrow.names)
        refuse_repeated(names, path)
        return RowFile(path, names, "", lambda: _parquet_rows(path, names))
    found = path.suffix or "no ending"
    raise BadImport(
        f"{path}: found {found}; accepted: {', '.join(ENDINGS)}, the first two kinds also with .gz."
    )


def read_rows(path: Path, columns: frozenset[str]) -> Iterator[Row]:
    """The rows of a file that has these columns. Raises BadImport."""
    file = open_rows(path, columns)
    refuse_missing(file, columns)
    return file.rows()


def refuse_missing(file: RowFile, columns: frozenset[str]) -> None:
    """Raise BadImport when the file lacks a column."""
    if file.header is not None and (missing := columns - set(file.header)):
        raise BadImport(
            f"{file.path} has no column {', '.join(sorted(missing))}; it has {', '.join(file.header)}."
        )


def _json_lines(path: Path, encoding: str) -> Iterator[Row]:
    """The objects of a file, one a line. A line that is none has a `problem`."""
    try:
        with opened_text(path, encoding, "\n", "mark_unreadable") as file:
            number = 0
            for line_number, line in enumerate(_bounded_lines(file), start=1):
                if line.strip():
                    number += 1
                    yield _json_row(number, line_number, line)
    except (OSError, EOFError) as error:
        raise BadImport(f"{path} cannot be read: {error}.") from None


def _bounded_lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(LONGEST_LINE):
        yield line


def _json_row(number: int, line_number: int, line: str) -> Row:
    try:
        # Numbers stay as they are written: ids keep all their digits, and prices their cents.
        cells = json.loads(
            line.removeprefix("\ufeff"), parse_int=str, parse_float=_as_written, parse_constant=str
        )
        json.dumps(cells, ensure_ascii=False).encode()  # refuses half of a surrogate pair
    except (ValueError, RecursionError) as error:
        hint = ": the file needs one object a line, not one list" if line.strip() in ("[", "[{") else ""
        reason = str(error).partition(":")[0].lower()
        return Row(number, line_number, problem=f"line {line_number} is no JSON ({reason}){hint}")
    if not isinstance(cells, dict):
        return Row(number, line_number, problem=f"line {line_number} is no JSON object")
    return Row(number, line_number, dict(zip(plain_header(cells), cells.values(), strict=True)))


def _as_written(number: str) -> str:
    """A number as text. What is whole has no point: an id 9001001.0 is 9001001."""
    return number.removesuffix(".0")


def _parquet(path: Path):
    """The open file. pyarrow is imported here, because only imports of Parquet need it."""
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise BadImport(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}.") from None


def _parquet_rows(path: Path, names: tuple[str, ...]) -> Iterator[Row]:
    number = 0
    for batch in _parquet(path).iter_batches(batch_size=BATCH_ROWS):
        columns = [column.to_pylist() for column in batch.columns]
        for values in zip(*columns, strict=True):
            number += 1
            yield Row(number, number, dict(zip(names, values, strict=True)))
