"""What a photo's header says: its format and size. Nothing is decoded, and no memory is taken for pixels.

Pillow is not asked: to open a WebP of 38 bytes it takes the memory of all pixels that the header claims.
"""

import re
import struct
from dataclasses import dataclass

from listings.photos import jpeg_structure

AVIF = frozenset({b"avif", b"avis"})
# What these files are, by the brand in their first box or by how they begin.
HEIC = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
OTHERS = (
    *((b"GIF8", "GIF"), (b"BM", "BMP"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"%PDF", "PDF")),
    *((b"\xff\x0a", "JPEG XL"), (b"\0\0\0\x0cJXL ", "JPEG XL"), (b"\0\0\0\x0cjP  ", "JPEG 2000")),
)
_LONGEST_BOXES = 100_000  # bytes of an AVIF in which its size has to stand
PNG = b"\x89PNG\r\n\x1a\n"
# Start of frame: baseline, progressive and so on, without the tables that share its range.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WEIGHED_PIXELS = 8_000_000


@dataclass(frozen=True)
class Header:
    """Format (JPEG, PNG, WEBP or AVIF) and size of a photo, as it claims them."""

    format: str
    width: int
    height: int

    @property
    def pixel_count(self) -> int:
        return self.width * self.height

    @property
    def weight(self) -> int:
        """How many requests it counts as in rate limits: one for each 8 megapixels that were begun."""
        return max(1, -(-self.pixel_count // _WEIGHED_PIXELS))


def read_header(data: bytes) -> Header | None:
    """The header of a photo that goes on behind it. None for anything else."""
    if data.startswith(jpeg_structure.START):
        size = _of_jpeg(data)
        return Header("JPEG", *size) if size else None
    if data.startswith(PNG):
        size = _of_png(data)
        return Header("PNG", *size) if size else None
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        size = _of_webp(data)
        return Header("WEBP", *size) if size else None
    if _brands(data) & AVIF:
        size = _of_avif(data)
        return Header("AVIF", *size) if size else None
    return None


def other_format(data: bytes) -> str | None:
    """The format of a file that is no photo here, such as HEIC. None when it is not known."""
    if _brands(data) & HEIC:
        return "HEIC"
    return next((name for start, name in OTHERS if data.startswith(start)), None)


def _brands(data: bytes) -> frozenset[bytes]:
    """The brands of a file of boxes, as AVIF and HEIC are. None for other files."""
    if data[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(data[:4]), 256)
    return frozenset(data[start : start + 4] for start in (8, *range(16, end, 4)))


def _of_jpeg(data: bytes) -> tuple[int, int] | None:
    """The largest size of a frame before the first scan, since decoders differ in which one they take."""
    sizes: list[tuple[int, int]] = []
    for segment in jpeg_structure.segments(data):
        if segment.kind == jpeg_structure.SCAN:
            return max(sizes, key=lambda size: size[0] * size[1], default=None)
        if segment.kind in _FRAMES and len(data) >= segment.start + 7:
            height, width = struct.unpack_from(">HH", data, segment.start + 3)
            sizes.append((width, height))
    return None


def _of_avif(data: bytes) -> tuple[int, int] | None:
    """The largest size that a part of the picture claims."""
    sizes: list[tuple[int, int]] = []
    for box in re.finditer(b"ispe", data[:_LONGEST_BOXES]):
        if len(data) >= box.end() + 12:
            width, height = struct.unpack_from(">II", data, box.end() + 4)
            sizes.append((width, height))
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _of_png(data: bytes) -> tuple[int, int] | None:
    if data[12:16] != b"IHDR" or data.find(b"IDAT", 33) < 0:
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _of_webp(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L" and len(data) > 25 and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(data) > 30 and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None
