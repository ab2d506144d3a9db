"""Deletion of photo files without a row, which a process killed around a commit leaves behind.

Killed between storing a file and committing its row, a process leaves a file for ever. Killed between the
commit that deletes a row and the deletion of its files, it leaves a deleted photo reachable by its URL.
"""

import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from listings.errors import Conflict
from listings.models import Photo
from listings.photos import processing

MANY = 1000  # photos; fewer are deleted without asking
KEPT_FOR = timedelta(days=1)  # far longer than the time between a file and the commit of its row
# File names of processing.store in any size, finished or not.
_FILE = re.compile(rf"(?:{re.escape(processing.BUILDING)})?([0-9a-f]{{32}})(?:-\d+)?\.jpg")


class ForeignPhotoFolder(Conflict):
    """Most files have no row: the folder seems to belong to another database."""

    def __init__(self, count: int):
        super().__init__(
            f"{count:,} photos have no row in this database, more than have one. Check that DATABASE_URL and "
            "VAR belong together; --force deletes the photos."
        )


def sweep_photos(*, now: datetime, force: bool = False) -> int:
    """Delete files of photos that are older than a day and have no row. Returns the number of photos.

    An interrupted run is completed by the next. Files with other names are kept. Raises ForeignPhotoFolder,
    unless `force`, when more than MANY photos would be deleted and more than would stay.
    """
    # Rows are read after the folders, so that a photo stored meanwhile is kept.
    old = {name for folder in _folders() for name in _old_names(folder, now - KEPT_FOR)}
    unnamed = old.difference(Photo.objects.values_list("file", flat=True).iterator())
    if not force and len(unnamed) > max(MANY, len(old) / 2):
        raise ForeignPhotoFolder(len(unnamed))
    processing.delete_files(unnamed)
    return len(unnamed)


def _folders() -> Iterator[Path]:
    root = Path(settings.MEDIA_ROOT) / processing.FOLDER
    if root.is_dir():
        yield from sorted(folder for folder in root.iterdir() if folder.is_dir())


def _old_names(folder: Path, before: datetime) -> set[str]:
    """Names of the photos of this folder (as in Photo.file) with a file written before a time."""
    names = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if (match := _FILE.fullmatch(entry.name)) and _is_older(entry, before):
                names.add(f"{processing.FOLDER}/{folder.name}/{match[1]}.jpg")
    return names


def _is_older(entry: os.DirEntry, before: datetime) -> bool:
    try:
        return entry.stat(follow_symlinks=False).st_mtime < before.timestamp()
    except FileNotFoundError:  # deleted meanwhile
        return False
