"""Encoded pictures, also malformed ones."""

import io
import struct
import zlib

from PIL import Image

from listings.photos import processing
from listings.photos.processing import LARGE, Size


def encoded(image: Image.Image, image_format: str = "JPEG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def picture(size: tuple[int, int] = (90, 60), mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (size[0] // 2, 0, *size))
    return image.convert(mode)


def kept(received: processing.ReceivedPhoto, size: Size = LARGE) -> Image.Image:
    return Image.open(io.BytesIO(received.sizes[size]))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def frames() -> dict:
    return {"save_all": True, "append_images": [picture().rotate(90), picture().rotate(180)], "duration": 80}


def jpeg(**options) -> bytes:
    return encoded(picture(), **options)


def with_segments(data: bytes, *segments: bytes) -> bytes:
    return data[:2] + b"".join(segments) + data[2:]


def with_scans(count: int) -> bytes:
    """A progressive JPEG with its last scan repeated."""
    data = encoded(picture((64, 64)), progressive=True)
    last = data[data.rfind(b"\xff\xda") : -2]
    return data[:-2] + last * count + data[-2:]
