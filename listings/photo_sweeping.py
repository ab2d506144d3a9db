"""Photo files that nobody names: a process that was killed beside a commit leaves them behind.

Between storing a photo and the commit of its row, a file would lie there for good; between the commit that
gives a photo up and the removal of its files, whoever has its address would still be shown it.
"""

import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from listings import photos
from listings.errors import Conflict
from listings.models import Photo

MANY = 1000  # photos; fewer are soon added again
KEPT_FOR = timedelta(days=1)  # far longer than from a file to the commit of its row
# In any size, as photos.store names them, finished or not.
_FILE = re.compile(rf"(?:{re.escape(photos.BUILDING)})?([0-9a-f]{{32}})(?:-\d+)?\.jpg")


class NotTheirs(Conflict):
    """The folder seems to be another database's."""

    def __init__(self, count: int):
        super().__init__(
            f"{count:,} photos are named by no row of this database, more than are named: is it the one that "
            "they belong to? --force deletes them."
        )


def sweep_photos(*, now: datetime, force: bool = False) -> int:
    """Delete the files of photos that are older than a day and have no row; how many photos.

    What is broken off goes on with the next run. Files of other names stay. Raises NotTheirs, unless forced,
    where more than MANY would go, and more than would stay.
    """
    # Rows are read after the folders: whatever is named by then is kept.
    old = {name for folder in _folders() for name in _old_names(folder, now - KEPT_FOR)}
    unnamed = old.difference(Photo.objects.values_list("file", flat=True).iterator())
    if not force and len(unnamed) > max(MANY, len(old) / 2):
        raise NotTheirs(len(unnamed))
    photos.delete_files(unnamed)
    return len(unnamed)


def _folders() -> Iterator[Path]:
    root = Path(settings.MEDIA_ROOT) / photos.FOLDER
    if root.is_dir():
        yield from sorted(folder for folder in root.iterdir() if folder.is_dir())


def _old_names(folder: Path, before: datetime) -> set[str]:
    """Names of photos as rows have them, of which this folder holds a file that was written before."""
    names = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if (key := _FILE.fullmatch(entry.name)) and _is_older(entry, before):
                names.add(f"{photos.FOLDER}/{folder.name}/{key[1]}.jpg")
    return names


def _is_older(entry: os.DirEntry, before: datetime) -> bool:
    try:
        return entry.stat(follow_symlinks=False).st_mtime < before.timestamp()
    except FileNotFoundError:  # removed just now
        return False
