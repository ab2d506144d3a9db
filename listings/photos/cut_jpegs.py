"""JPEGs that lack their last bytes, as a broken transfer leaves them."""

import io
from contextlib import suppress

import numpy as np
from PIL import Image

from listings.photos import jpeg_structure

END = b"\xff\xd9"
MOST_MISSING = 0.05  # of the blocks of a picture
BLOCK = 16  # pixels on a side, at most
HELD_BACK = 18  # rows that the decoder holds back until it has those below
LAST_BYTES = 4  # enough to change the last block that was written


def completed(data: bytes) -> Image.Image | None:
    """The image of a JPEG that was cut near its end, not decoded yet. None for any other file.

    The few missing blocks get the colour of the last one. Nothing is decoded of a JPEG with an end.
    """
    if not data.startswith(jpeg_structure.START) or _has_end(data):
        return None
    try:
        is_nearly_whole = _reaches_last_rows(data) and _missing_share(data) <= MOST_MISSING
    except Exception:  # damaged in another way
        return None
    return Image.open(io.BytesIO(data + END), formats=("JPEG",)) if is_nearly_whole else None


def _has_end(data: bytes) -> bool:
    """Whether there is an end behind the beginning of the last scan, such as before an appended preview."""
    start = max((segment.start for segment in jpeg_structure.segments(data)), default=0)
    return data.find(END, start) >= 0


def _reaches_last_rows(data: bytes) -> bool:
    """Whether the decoder gets to the last rows of blocks. It leaves what it does not reach black.

    Of a progressive JPEG, which is decoded in several passes, it gives out nothing before the end.
    """
    cut = Image.open(io.BytesIO(data), formats=("JPEG",))
    with suppress(OSError):
        cut.load()
        return True  # it lacks nothing that the decoder needs
    partial = Image.new(cut.mode, cut.size)
    partial.im = cut.im
    rows = np.flatnonzero(np.asarray(partial).reshape(cut.height, -1).any(axis=1))
    missing = cut.height - 1 - int(rows.max()) if len(rows) else 0
    return missing <= HELD_BACK + MOST_MISSING * cut.height


def _missing_share(data: bytes) -> float:
    """The share of the picture behind the block that the last bytes belong to.

    That block is the first that another end changes. Where none changes, nothing that can be seen is missing.
    """
    picture, shorter = _brightness(data + END), _brightness(data[:-LAST_BYTES] + END)
    rows, columns = np.nonzero(picture != shorter)
    if not len(rows):
        return 0.0
    height, width = (-(-side // BLOCK) for side in picture.shape)
    row = rows.min() // BLOCK
    column = columns[rows // BLOCK == row].min() // BLOCK
    written = row * width + column + 1
    return 1 - float(written) / (height * width)


def _brightness(data: bytes) -> np.ndarray:
    """(height, width) uint8: without colours, which the decoder spreads over neighbouring blocks."""
    image = Image.open(io.BytesIO(data), formats=("JPEG",))
    image.draft("L", image.size)
    return np.asarray(image.convert("L"))
