"""Decoding of photo files to small RGB images for a backbone."""

from collections.abc import Sequence
from os import PathLike
from typing import IO, cast

import numpy as np
from PIL import Image, ImageOps

Photo = str | PathLike[str] | IO[bytes] | Image.Image


class UnreadablePhoto(ValueError):
    """A photo cannot be decoded. `photo` is its name, `position` its index in the sequence passed in."""

    def __init__(self, photo: str, reason: str, position: int | None = None):
        super().__init__(f"photo {photo} cannot be decoded: {reason}")
        self.photo, self.reason, self.position = photo, reason, position


def open_photo(photo: Photo, size: int) -> Image.Image:
    """The photo as RGB with EXIF orientation applied, decoded no larger than a square of `size` pixels needs.

    Raises UnreadablePhoto.
    """
    try:
        picture = photo if isinstance(photo, Image.Image) else Image.open(cast(IO[bytes], photo))
        picture.draft("RGB", (size, size))  # a JPEG decodes at 1/2, 1/4 or 1/8 where that is large enough
        return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadablePhoto(_name_of(photo), str(error) or type(error).__name__) from error


def open_photos(photos: Sequence[Photo], size: int, first: int = 0) -> list[Image.Image]:
    """A batch of photos that starts at position `first`.   Raises UnreadablePhoto with the position."""
    pictures = []
    for position, photo in enumerate(photos, start=first):
        try:
            pictures.append(open_photo(photo, size))
        except UnreadablePhoto as error:
            raise UnreadablePhoto(error.photo, error.reason, position) from error
    return pictures


def square_pixels(picture: Image.Image, size: int) -> np.ndarray:
    """The whole picture resized to a square; cropping could lose the object.   -> (s, s, 3) uint8"""
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))


def _name_of(photo: Photo) -> str:
    if isinstance(photo, str | PathLike):
        return str(photo)
    return str(getattr(photo, "name", "") or getattr(photo, "filename", "") or "without a name")
