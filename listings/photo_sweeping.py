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
from listings.models import Photo

KEPT_FOR = timedelta(days=1)  # far longer than from a file to the commit of its row
_FILE = re.compile(r"([0-9a-f]{32})(?:-\d+)?\.jpg")  # in any size, as photos.store names them


def sweep_photos(*, now: datetime) -> int:
    """Delete the files of photos that are older than a day and have no row; how many photos.

    Safe to run at any time; what is broken off goes on with the next run. Files of other names stay.
    """
    count = 0
    for folder in _folders():
        old = _old_names(folder, now - KEPT_FOR)
        # Asked after looking: whatever is named by then is kept. By folder, for no index is on names.
        named = Photo.objects.filter(file__startswith=f"{photos.FOLDER}/{folder.name}/")
        unnamed = old and old.difference(named.values_list("file", flat=True).iterator())
        photos.delete_files(unnamed)
        count += len(unnamed)
    return count


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
