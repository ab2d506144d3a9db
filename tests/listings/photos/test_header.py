"""Format and size of a photo are read from its header, without Pillow."""

import struct

import pytest
from PIL import Image

from listings.photos import processing
from listings.photos.header import Header, read_header
from listings.photos.processing import BadPhoto
from tests.listings.photos.encoding import encoded, jpeg, picture, png_chunk


def lossless_webp(width: int, height: int) -> bytes:
    """A WebP of 38 bytes, whatever size it claims."""
    bits = (width - 1) | (height - 1) << 14
    body = b"\x2f" + struct.pack("<I", bits) + bytes(13)
    chunk = b"VP8L" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


@pytest.mark.parametrize(
    ("data", "image_format"),
    [
        (encoded(picture((91, 60))), "JPEG"),
        (encoded(picture((91, 60)), progressive=True), "JPEG"),
        (encoded(picture((91, 60)), "MPO", save_all=True, append_images=[picture()]), "JPEG"),
        (encoded(picture((91, 60)), "PNG"), "PNG"),
        (encoded(picture((91, 60)), "WEBP"), "WEBP"),
        (encoded(picture((91, 60)), "WEBP", lossless=True), "WEBP"),
        (encoded(picture((91, 60)), "AVIF"), "AVIF"),
        (encoded(picture((91, 60), "RGBA"), "WEBP", exif=b"Exif\0\0" + bytes(20)), "WEBP"),
    ],
    ids=["jpeg", "progressive", "mpo", "png", "webp", "lossless", "avif", "extended"],
)
def test_a_header_tells_format_and_size(data, image_format):
    assert read_header(data) == Header(image_format, 91, 60)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"hello", b"\xff\xd8\xff", jpeg()[:200], encoded(picture(), "GIF"), encoded(picture(), "BMP")),
        *(encoded(picture(), "PNG")[:40], encoded(picture(), "WEBP")[:22], b"RIFF\0\0\0\0WEBPVP8 "),
    ],
    ids=range(9),
)
def test_a_file_without_a_whole_header_has_none(data):
    assert read_header(data) is None


def test_of_two_frames_in_a_jpeg_the_larger_one_counts():
    frame = b"\xff\xc0\0\x0b\x08" + struct.pack(">HH", 9000, 9000) + b"\x01\x01\x11\0"
    data = jpeg()
    assert read_header(data[:2] + frame + data[2:]) == Header("JPEG", 9000, 9000)


@pytest.mark.parametrize(
    "data",
    [
        lossless_webp(16_383, 16_383),
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 16, 6, 0, 0, 1))
        + png_chunk(b"IDAT", b""),
    ],
    ids=["webp", "png"],
)
def test_a_small_file_that_claims_many_pixels_is_refused_before_pillow_takes_memory(data, monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it was opened"))
    assert len(data) < 60
    with pytest.raises(BadPhoto, match=r"[\d,]+ x [\d,]+ pixels"):
        processing.check(data)


@pytest.mark.parametrize(
    ("pixels", "weight"), [((90, 60), 1), ((4000, 2000), 1), ((4001, 2000), 2), ((8000, 5000), 5)]
)
def test_a_photo_weighs_one_for_each_eight_megapixels(pixels, weight):
    assert Header("PNG", *pixels).weight == weight
