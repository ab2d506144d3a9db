"""Reading of CSV files row by row, whatever program wrote them."""

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from listings.row_files.encodings import UNREADABLE, encoding_name, recognise_encoding
from listings.row_files.rows import BadImport, Row, opened_text, plain_header, refuse_repeated

# A longer row means a quote that was never closed, which would swallow the rest of the file.
LONGEST_ROW = 1_000_000  # characters
LONGEST_HEADER = 100_000
CARRIAGE_RETURN = "\x1e"  # replaces \r while a row is parsed; cleaning.py drops both
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", "¦": "broken bars"}
DECLARATION = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
FEWEST_COLUMNS = 3  # of a line that is taken for a row inside quotes
QUOTES = re.compile('"+')


@dataclass(frozen=True)
class Dialect:
    """How a file is written: its encoding, what ends a line, what stands between fields, and its header."""

    encoding: str
    newline: str
    delimiter: str
    header: tuple[str, ...]
    first_line: int  # that of the header

    def __str__(self) -> str:
        between = DELIMITERS.get(self.delimiter, repr(self.delimiter))
        ends = ", lines ended by carriage returns" if self.newline == "\r" else ""
        return f"{encoding_name(self.encoding)}, {between} between fields{ends}"

    @property
    def is_plain(self) -> bool:
        """Whether it is the usual one, which needs no mention."""
        return (self.encoding.startswith("utf-8"), self.newline, self.delimiter) == (True, "\n", ",")


def recognise_dialect(path: Path, known: frozenset[str], encoding: str | None = None) -> Dialect:
    """The dialect of a file. `known`: columns that it may have, which tell the delimiter. Raises BadImport.

    A line `sep=;` before the header is obeyed. Lines end as the header does: with a newline, also after a
    carriage return, or with a carriage return alone.
    """
    encoding = recognise_encoding(path, encoding)
    with _text(path, encoding, "") as file:
        start = file.read(LONGEST_HEADER)
    newline = "\r" if re.match(r"[\r]*[^\r\n]+\r(?!\n|\Z)", start) else "\n"
    lines = [line.removesuffix("\r") for line in start.split(newline)]
    place = next((place for place, line in enumerate(lines) if line.strip()), 0)
    if declared := DECLARATION.fullmatch(lines[place].strip()):
        place += 1
    line = lines[place] if place < len(lines) else ""
    delimiter = declared[1] if declared else _delimiter(line, known)
    header = plain_header(_fields(line, delimiter) or [])
    refuse_repeated(header, path)
    return Dialect(encoding, newline, delimiter, header, place + 1)


def _delimiter(line: str, known: frozenset[str]) -> str:
    """What splits the header into the most known columns, else into the most columns."""

    def fit(delimiter: str) -> tuple[int, int]:
        names = plain_header(_fields(line, delimiter) or [])
        return len(known.intersection(names)), len(names)

    return max(DELIMITERS, key=fit)


def read_csv(path: Path, dialect: Dialect) -> Iterator[Row]:
    """Yield the rows behind the header. The first of them is row 2, as in a spreadsheet.

    A row that cannot be parsed has a `problem`, and reading goes on with the next line. A quote that is not
    closed costs its own line: it swallows neither the rest of the file nor the rows up to the next quote.
    Surplus cells are accepted while they are empty.
    """
    csv.field_size_limit(LONGEST_ROW)
    with _text(path, dialect.encoding, dialect.newline) as file:
        lines = _Lines(_bare_lines(file, dialect.newline))
        for _ in range(dialect.first_line):
            next(lines, None)
        for number, (line, record, problem) in enumerate(_records(lines, dialect), start=2):
            yield Row(number, line, problem=problem) if problem else _row(number, line, record, dialect)


def _row(number: int, line: int, record: str, dialect: Dialect) -> Row:
    fields, width = _fields(record, dialect.delimiter), len(dialect.header)
    if fields is None:
        return Row(number, line, problem=f"a field of over {LONGEST_ROW:,} characters")
    if UNREADABLE in record:
        name = encoding_name(dialect.encoding)
        return Row(number, line, problem=f"line {line} holds bytes that are not {name}")
    while len(fields) > width and not fields[-1].strip():
        fields.pop()
    if len(fields) != width:
        return Row(number, line, problem=f"{len(fields)} fields where the header has {width}")
    cells = (cell.replace(CARRIAGE_RETURN, "\r") for cell in fields)
    return Row(number, line, {name: cell for name, cell in zip(dialect.header, cells, strict=True) if name})


def _records(lines: "_Lines", dialect: Dialect) -> Iterator[tuple[int, str, str]]:
    """The line where each record begins, and its text or its problem. Blank lines are none."""
    for line in lines:
        start, record = lines.number, [line]
        is_closed = not _is_open(line, dialect.delimiter) or _read_on(lines, record, dialect.delimiter)
        if is_closed and not _holds_rows(record[1:-1], dialect):
            if text := "\n".join(record):
                yield start, text, ""
        else:
            lines.put_back(record[1:])
            yield start, "", f"a quote that opens in line {start} is not closed"


def _read_on(lines: "_Lines", record: list[str], delimiter: str) -> bool:
    """Add lines to a record until its quotes are closed. Returns whether they are."""
    length = len(record[0])
    for line in lines:
        record.append(line)
        end, length = _end_of_field(line, delimiter), length + len(line)
        if end == _MALFORMED or length > LONGEST_ROW:
            return False
        if end is not None and not _is_open(line[end + 1 :], delimiter):
            return True
    return False


_MALFORMED = -1


def _is_open(line: str, delimiter: str) -> bool:
    """Whether a quote opens a field of this line and is not closed in it."""
    position = 0 if '"' in line else len(line)
    while position < len(line):  # at the beginning of a field
        if line[position] == '"':
            end = _closing(line, position + 1)
            if end is None:
                return True
            position = end
        found = line.find(delimiter, position)
        position = len(line) if found < 0 else found + 1
    return False


def _end_of_field(line: str, delimiter: str) -> int | None:
    """Where the quoted field that an earlier line opened ends. None: not here.

    _MALFORMED when a quote is followed by something else than the next field: it opens a field of its own.
    """
    end = _closing(line, 0)
    return end if end is None or end == len(line) or line.startswith(delimiter, end) else _MALFORMED


def _closing(line: str, position: int) -> int | None:
    """The position behind the quote that closes a field. Two quotes stand for one that belongs to it."""
    for quotes in QUOTES.finditer(line, position):
        if len(quotes[0]) % 2:
            return quotes.end()
    return None


def _holds_rows(inner: Sequence[str], dialect: Dialect) -> bool:
    """Whether lines inside quotes are rows themselves. In prose a space follows the comma."""
    width = len(dialect.header)
    return any(
        len(fields) == width >= FEWEST_COLUMNS and not any(field.startswith(" ") for field in fields)
        for line in inner
        if line.count(dialect.delimiter) == width - 1 and (fields := line.split(dialect.delimiter))
    )


def _fields(record: str, delimiter: str) -> list[str] | None:
    """The fields of a record; None when one is too long."""
    try:
        return next(csv.reader([record], delimiter=delimiter), [])
    except csv.Error:
        return None


class _Lines:
    """Lines with their numbers; those that were put back come again."""

    def __init__(self, lines: Iterator[str]):
        self.source, self.again = lines, deque[str]()
        self.number = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.again.popleft() if self.again else next(self.source)
        self.number += 1
        return line

    def put_back(self, lines: list[str]) -> None:
        self.again.extendleft(reversed(lines))
        self.number -= len(lines)


def _bare_lines(file: TextIO, newline: str) -> Iterator[str]:
    for line in file:
        content = line.removesuffix(newline)
        if newline == "\n":
            content = content.removesuffix("\r")
        yield content.replace("\r", CARRIAGE_RETURN).replace("\0", "")


@contextmanager
def _text(path: Path, encoding: str, newline: str) -> Iterator[TextIO]:
    try:
        with opened_text(path, encoding, newline, "mark_unreadable") as file:
            yield file
    except (OSError, EOFError) as error:  # a damaged .gz file
        raise BadImport(f"{path} cannot be read: {error}.") from None
