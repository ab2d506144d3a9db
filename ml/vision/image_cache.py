"""Cache of decoded photos for training: pixels stay in memory if they fit, else are decoded in each epoch."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from typing import IO, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ml.vision.image_decoding import Photo, UnreadablePhoto, open_photo, square_pixels

MOST_KEPT_BYTES = 4_000_000_000  # 20,000 photos of 256 pixels


class ImageCache:
    """A selection of photos, read in batches as squares of `size` pixels. Call `close` after use."""

    def __init__(
        self,
        photos: Sequence[Photo],
        chosen: Sequence[int],
        size: int,
        *,
        most_kept_bytes: int = MOST_KEPT_BYTES,
    ) -> None:
        """`chosen` (n,): positions in photos; row i of the cache is photo chosen[i].

        Raises UnreadablePhoto with the position. When the photos do not fit into memory, `batches` raises it.
        """
        self._photos, self._chosen, self._size = photos, chosen, size
        self._decoders = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
        self._reader = ThreadPoolExecutor(1)
        self._kept: Tensor | None = None
        if len(chosen) * 3 * size * size <= most_kept_bytes:
            self._kept = self._decoded(range(len(chosen)))

    def __len__(self) -> int:
        return len(self._chosen)

    def batches(self, rows: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows (b,) int64 and their pixels (b, 3, size, size) uint8; the next batch is read meanwhile."""
        parts = rows.split(batch_size)
        pending = self._reader.submit(self._read, parts[0])
        for part, following in zip(parts, (*parts[1:], None), strict=True):
            pixels = pending.result()
            if following is not None:
                pending = self._reader.submit(self._read, following)
            yield part, pixels

    def close(self) -> None:
        for pool in (self._reader, self._decoders):
            pool.shutdown(cancel_futures=True)

    def _read(self, rows: Tensor) -> Tensor:
        pixels = self._decoded(rows.tolist()) if self._kept is None else self._kept[rows]
        return pixels.permute(0, 3, 1, 2)

    def _decoded(self, rows: Sequence[int]) -> Tensor:
        """Decode these rows.   -> (b, size, size, 3) uint8"""
        pixels = np.empty((len(rows), self._size, self._size, 3), dtype=np.uint8)
        for place, square in enumerate(self._decoders.map(self._square, rows)):
            pixels[place] = square
        return torch.from_numpy(pixels)

    def _square(self, row: int) -> np.ndarray:
        position = self._chosen[row]
        try:
            return square_pixels(open_photo(self._photos[position], self._size), self._size)
        except UnreadablePhoto as error:
            raise UnreadablePhoto(error.photo, error.reason, position) from error


def fingerprint(photos: Sequence[Photo]) -> str:
    """A digest that identifies photos: names and sizes of files, contents of other photos."""
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(_identity(photo))
    return digest.hexdigest()


def _identity(photo: Photo) -> bytes:
    if isinstance(photo, Image.Image):
        return hashlib.sha256(photo.tobytes()).digest()
    if isinstance(photo, str | PathLike):
        path = Path(photo)
        return f"{path} {path.stat().st_size if path.is_file() else None}\n".encode()
    file = cast(IO[bytes], photo)
    file.seek(0)
    return hashlib.sha256(file.read()).digest()
