"""The photo files of an import."""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from django.conf import settings

from listings.photos.processing import BadPhoto
from listings.row_files.rows import BadImport

PHOTO_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".png", ".webp", ".avif"),
    *(".heic", ".heif", ".gif", ".bmp", ".tif", ".tiff", ".jxl", ".jp2"),  # refused by their content
)
PHOTO_PLACES = ("images_fb.zip", "images_fb", "images.zip", "images")
# Files that programs leave behind in folders of photos.
LEFT_BEHIND = frozenset({"thumbs.db", "desktop.ini"})


class Photos(Protocol):
    """The photo files of an import, by name."""

    def names(self) -> Iterator[str]:
        """Every file but hidden ones, whether it is a photo or not."""

    def read(self, name: str) -> bytes:
        """The bytes of a photo. Raises BadPhoto when it is damaged or too large."""


class NoPhotos:
    """An import without photo files."""

    def names(self) -> Iterator[str]:
        return iter(())

    def read(self, name: str) -> bytes:
        raise BadPhoto("There is no such file.")


class ZippedPhotos:
    """Photos in a zip file. A photo's id is its name without folder and suffix."""

    def __init__(self, path: Path):
        try:
            self.archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise BadImport(f"{path} cannot be read as a zip file: {error}.") from None

    def names(self) -> Iterator[str]:
        return (name for name in self.archive.namelist() if not name.endswith("/") and _is_shown(Path(name)))

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
        paths = (
            path for path in self.path.rglob("*") if _is_shown(path.relative_to(self.path)) and path.is_file()
        )
        return (str(path.relative_to(self.path)) for path in paths)

    def read(self, name: str) -> bytes:
        """The bytes of a photo. Raises BadPhoto when it is unreadable or too large."""
        try:
            _refuse_large((self.path / name).stat().st_size)
            return (self.path / name).read_bytes()
        except OSError as error:
            raise BadPhoto(f"The file cannot be read: {error.strerror}.") from None


def open_photos(folder: Path) -> Photos:
    """The photos of a folder of adverts, which may have none."""
    for name in PHOTO_PLACES:
        path = folder / name
        if path.is_dir():
            return PhotosInFolder(path)
        if path.exists():
            return ZippedPhotos(path)
    return NoPhotos()


def photo_id_of(name: str) -> str:
    """The id in the name of a file: without its folder, and without an ending that photos have."""
    path = Path(name)
    return path.stem if path.suffix.lower() in PHOTO_SUFFIXES else path.name


def _is_shown(path: Path) -> bool:
    is_hidden = path.name.startswith(".") or path.parts[0] == "__MACOSX"
    return not is_hidden and path.name.lower() not in LEFT_BEHIND


def _refuse_large(byte_count: int) -> None:
    if byte_count > settings.ENVIRONMENT.photo_maximum_bytes:
        raise BadPhoto(f"The file has {byte_count:,} bytes, which is over the maximum.")
