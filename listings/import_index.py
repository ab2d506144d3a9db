"""Which photos belong to which advert, on disk while an import runs: any number of rows, the same memory."""

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
    """A row of Images.csv, with the photo file that bears its id, if there is one."""

    number: int
    image_id: str
    listing_id: str
    file_name: str | None


class ImportIndex:
    """A throw-away SQLite file. Nothing in it outlives the import."""

    def __init__(self, connection: sqlite3.Connection):
        self.connection = connection

    def add_files(self, names: Iterable[str]) -> int:
        """Note photo files; of two with one id the first counts. Returns how many there are."""
        pairs = ((Path(name).stem, name) for name in names)
        self.connection.executemany("INSERT OR IGNORE INTO file VALUES (?, ?)", pairs)
        return self._number("SELECT count(*) FROM file")

    def add_image(self, number: int, image_id: str, listing_id: str) -> bool:
        """Note a row of Images.csv; False when an earlier row has its id."""
        values = (number, image_id, listing_id)
        return self.connection.execute("INSERT OR IGNORE INTO image VALUES (?, ?, ?)", values).rowcount == 1

    def add_advert(self, listing_id: str) -> bool:
        """Note that an advert has come by; False when it did before."""
        statement = "INSERT OR IGNORE INTO advert VALUES (?)"
        return self.connection.execute(statement, (listing_id,)).rowcount == 1

    def images_of(self, listing_ids: list[str]) -> list[ImageRow]:
        """Their image rows in the order of the file."""
        marks = ", ".join("?" * len(listing_ids))
        return list(self._images(f"WHERE advert IN ({marks}) ORDER BY row", listing_ids))

    def images_without_advert(self) -> Iterator[ImageRow]:
        """Image rows whose advert has not come by."""
        return self._images("WHERE advert NOT IN (SELECT id FROM advert) ORDER BY row", [])

    def files_without_image(self) -> Iterator[str]:
        """Names of photo files that no image row speaks of."""
        rows = self.connection.execute("SELECT name FROM file WHERE id NOT IN (SELECT id FROM image)")
        return (name for (name,) in rows)

    def _images(self, condition: str, values: list[str]) -> Iterator[ImageRow]:
        columns = "SELECT row, image.id, advert, name FROM image LEFT JOIN file USING (id)"
        return (ImageRow(*row) for row in self.connection.execute(f"{columns} {condition}", values))

    def _number(self, statement: str) -> int:
        return self.connection.execute(statement).fetchone()[0]


@contextmanager
def import_index() -> Iterator[ImportIndex]:
    """An empty index in a temporary folder, which goes away with it."""
    with tempfile.TemporaryDirectory(prefix="import-") as folder:
        connection = sqlite3.connect(Path(folder) / "index.sqlite3", isolation_level=None)
        try:
            # It is never read again after a crash, so it need not survive one.
            connection.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {SCHEMA} BEGIN;")
            yield ImportIndex(connection)
        finally:
            connection.close()
