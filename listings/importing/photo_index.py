"""Temporary SQLite index of an import: adverts, image rows and photo files, in constant memory."""

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SCHEMA = """
CREATE TABLE advert (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE file (id TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE image (row INTEGER PRIMARY KEY, id TEXT UNIQUE, advert TEXT);
CREATE INDEX image_of_advert ON image (advert);
"""


@dataclass(frozen=True)
class ImageRow:
    """A row of Images.csv, with the photo file of the same id, if there is one."""

    number: int
    image_id: str
    listing_id: str
    file_name: str | None


class ImportIndex:
    """A temporary SQLite file, deleted after the import."""

    def __init__(self, connection: sqlite3.Connection):
        self.connection = connection

    def add_files(self, names: Iterable[str]) -> int:
        """Add photo files; the first of several with one id is kept. Returns the number of distinct ids."""
        pairs = ((Path(name).stem, name) for name in names)
        self.connection.executemany("INSERT OR IGNORE INTO file VALUES (?, ?)", pairs)
        return self._number("SELECT count(*) FROM file")

    def add_image(self, number: int, image_id: str, listing_id: str) -> bool:
        """Add a row of Images.csv. Returns False when an earlier row has the same id."""
        values = (number, image_id, listing_id)
        return self.connection.execute("INSERT OR IGNORE INTO image VALUES (?, ?, ?)", values).rowcount == 1

    def add_advert(self, listing_id: str) -> bool:
        """Add an imported advert. Returns False when it was added before."""
        statement = "INSERT OR IGNORE INTO advert VALUES (?)"
        return self.connection.execute(statement, (listing_id,)).rowcount == 1

    def images_of(self, listing_ids: list[str]) -> list[ImageRow]:
        """The image rows of these adverts, in the order of the file."""
        marks = ", ".join("?" * len(listing_ids))
        return list(self._images(f"WHERE advert IN ({marks}) ORDER BY row", listing_ids))

    def images_without_advert(self) -> Iterator[ImageRow]:
        """Image rows of adverts that were not added."""
        return self._images("WHERE advert NOT IN (SELECT id FROM advert) ORDER BY row", [])

    def files_without_image(self) -> Iterator[str]:
        """Names of photo files without an image row."""
        rows = self.connection.execute("SELECT name FROM file WHERE id NOT IN (SELECT id FROM image)")
        return (name for (name,) in rows)

    def _images(self, condition: str, values: list[str]) -> Iterator[ImageRow]:
        columns = "SELECT row, image.id, advert, name FROM image LEFT JOIN file USING (id)"
        return (ImageRow(*row) for row in self.connection.execute(f"{columns} {condition}", values))

    def _number(self, statement: str) -> int:
        return self.connection.execute(statement).fetchone()[0]


@contextmanager
def import_index() -> Iterator[ImportIndex]:
    """An empty index in a temporary folder, deleted on exit."""
    with tempfile.TemporaryDirectory(prefix="import-") as folder:
        connection = sqlite3.connect(Path(folder) / "index.sqlite3", isolation_level=None)
        try:
            # No journal: the file is never read again after a crash.
            connection.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {SCHEMA} BEGIN;")
            yield ImportIndex(connection)
        finally:
            connection.close()
