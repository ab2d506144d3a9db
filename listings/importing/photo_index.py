"""Temporary SQLite index of an import: adverts, image rows and photo files, in constant memory."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from listings.importing.files import photo_id_of

SCHEMA = """
CREATE TABLE advert (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE file (id TEXT PRIMARY KEY, folded TEXT, name TEXT, image INTEGER) WITHOUT ROWID;
CREATE INDEX file_folded ON file (folded);
CREATE TABLE image (row INTEGER PRIMARY KEY, id TEXT UNIQUE, advert TEXT, name TEXT);
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

    def add_file(self, name: str) -> bool:
        """Add a photo file. Returns False when an earlier one has the same id."""
        photo_id = photo_id_of(name)
        values = (photo_id, photo_id.casefold(), name)
        statement = "INSERT OR IGNORE INTO file (id, folded, name) VALUES (?, ?, ?)"
        return self.connection.execute(statement, values).rowcount == 1

    def add_image(self, number: int, image_id: str, listing_id: str) -> bool:
        """Add a row of Images.csv with its file. Returns False when an earlier row has the same id.

        A file belongs to one row. It is found by its id, else without the ending of a file name
        that the id may have, else in another case.
        """
        values = (number, image_id, listing_id)
        statement = "INSERT OR IGNORE INTO image (row, id, advert) VALUES (?, ?, ?)"
        if self.connection.execute(statement, values).rowcount == 0:
            return False
        plain_id = photo_id_of(image_id)
        for column, wanted in (("id", image_id), ("id", plain_id), ("folded", plain_id.casefold())):
            query = f"SELECT id, name FROM file WHERE {column} = ? AND image IS NULL LIMIT 1"
            if found := self.connection.execute(query, (wanted,)).fetchone():
                self.connection.execute("UPDATE file SET image = ? WHERE id = ?", (number, found[0]))
                self.connection.execute("UPDATE image SET name = ? WHERE row = ?", (found[1], number))
                break
        return True

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
        rows = self.connection.execute("SELECT name FROM file WHERE image IS NULL")
        return (name for (name,) in rows)

    def _images(self, condition: str, values: list[str]) -> Iterator[ImageRow]:
        columns = "SELECT row, id, advert, name FROM image"
        return (ImageRow(*row) for row in self.connection.execute(f"{columns} {condition}", values))


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
