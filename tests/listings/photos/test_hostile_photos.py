"""Malicious photos: only a small JPEG encoded here is stored, or nothing."""

import io
import struct
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from PIL import Image, ImageChops, ImageCms

from listings.models import Photo
from listings.photo_services import MAXIMUM_PHOTOS
from listings.photos import jpeg_structure, processing
from listings.photos.processing import BadPhoto, Size
from tests import factories
from tests.conftest import client_of
from tests.listings.photos.encoding import (
    encoded,
    frames,
    jpeg,
    kept,
    picture,
    png_chunk,
    with_scans,
    with_segments,
)

SCRIPT = b"<html><script>alert(document.cookie)</script></html>"
GPS = 0x8825


def png(*chunks: bytes) -> bytes:
    """A PNG with these chunks after its header."""
    plain = encoded(picture(), "PNG")
    return plain[:33] + b"".join(chunks) + plain[33:]


def with_archive(data: bytes) -> bytes:
    buffer = io.BytesIO(data)
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("evil.html", SCRIPT)
    return buffer.getvalue()


def squeezed(count: int) -> bytes:
    return zlib.compress(b"\0" * count, 9)


class TestPolyglots:
    @pytest.mark.parametrize(
        "data",
        [
            with_archive(jpeg()),
            with_archive(encoded(picture(), "PNG")),
            jpeg() + SCRIPT,
            encoded(picture(), "WEBP") + SCRIPT,
            jpeg(comment=SCRIPT),
            with_segments(jpeg(), b"\xff\xe1" + struct.pack(">H", len(SCRIPT) + 2) + SCRIPT),
            png(png_chunk(b"tEXt", b"Comment\0" + SCRIPT)),
            png(png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + SCRIPT)),
        ],
        ids=["jpeg+zip", "png+zip", "jpeg+html", "webp+html", "comment", "segment", "text", "xmp"],
    )
    def test_bytes_beside_the_picture_are_not_stored(self, data):
        assert SCRIPT in data or zipfile.is_zipfile(io.BytesIO(data))
        for stored in processing.receive(data).sizes.values():
            assert stored.startswith(b"\xff\xd8\xff") and stored.endswith(b"\xff\xd9")
            assert b"script" not in stored and not zipfile.is_zipfile(io.BytesIO(stored))

    @pytest.mark.parametrize(
        "data", [SCRIPT + jpeg(), b"GIF89a" + jpeg(), b"PK\3\4" + jpeg(), b"%PDF-1.4\n" + jpeg()]
    )
    def test_a_file_that_begins_as_another_format_is_refused(self, data):
        with pytest.raises(BadPhoto):
            processing.receive(data)


class TestWhereItWasTaken:
    @pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "MPO"])
    def test_the_place_where_a_photo_was_taken_is_not_stored(self, image_format):
        exif = Image.Exif()
        exif[0x010F] = "Camera"
        place = exif.get_ifd(GPS)
        place[1], place[2], place[29] = "N", (51.5, 30.0, 26.0), "2026:11:21"
        data = encoded(picture(), image_format, exif=exif)
        assert b"2026:11:21" in data
        for size, stored in processing.receive(data).sizes.items():
            assert not dict(kept(processing.receive(data), size).getexif())
            assert b"Exif" not in stored and b"2026:11:21" not in stored


class TestBombs:
    @pytest.mark.parametrize(
        "data",
        [
            png(png_chunk(b"iCCP", b"icc\0\0" + squeezed(50_000_000))),
            png(png_chunk(b"zTXt", b"text\0\0" + squeezed(50_000_000))),
            png(png_chunk(b"iTXt", b"text\0\1\0\0\0" + squeezed(50_000_000))),
            png(*[png_chunk(b"zTXt", b"text\0\0" + squeezed(1_000_000))] * 100),
            with_scans(jpeg_structure.MAXIMUM_SCANS),
            with_segments(jpeg(), b"\xff\xfe\0\2" * (jpeg_structure.MAXIMUM_SEGMENTS + 1)),
            with_segments(jpeg(), b"\xff" * 1_000_000),
            encoded(picture((8, 8)), "WEBP", save_all=True, append_images=[picture((8, 8), "L")] * 300),
            encoded(picture(), "PNG", **frames()),
        ],
        ids=["profile", "text", "xmp", "texts", "scans", "segments", "fill", "webp frames", "png frames"],
    )
    def test_a_photo_that_decompresses_to_far_more_than_its_size_is_refused(self, data):
        assert len(data) < 2_000_000
        with pytest.raises(BadPhoto):
            processing.receive(data)

    def test_long_uncompressed_texts_of_a_png_are_dropped(self):
        data = png(png_chunk(b"tEXt", b"Comment\0" + b"y" * 5_000_000))
        assert max(map(len, processing.receive(data).sizes.values())) < 10_000

    def test_an_oversized_colour_profile_is_not_read(self, monkeypatch):
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        monkeypatch.setattr(ImageCms, "profileToProfile", lambda *_, **__: pytest.fail("it was read"))
        assert (
            processing.receive(jpeg(icc_profile=profile + bytes(processing.MAXIMUM_PROFILE_BYTES))).width
            == 90
        )

    @pytest.mark.parametrize("tag_count", [99, 2**31, 2**32 - 1])
    def test_a_colour_profile_with_a_false_tag_count_is_ignored(self, tag_count):
        profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
        profile[128:132] = struct.pack(">I", tag_count)
        assert processing.receive(jpeg(icc_profile=bytes(profile))).width == 90

    def test_large_photos_are_decoded_one_at_a_time(self, monkeypatch):
        monkeypatch.setattr(processing, "LARGE_PIXELS", 1000)
        running, most = [], []
        decode = processing._decoded

        def counted(image: Image.Image) -> Image.Image:
            running.append(1)
            most.append(len(running))
            try:
                return decode(image)
            finally:
                running.pop()

        monkeypatch.setattr(processing, "_decoded", counted)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(processing.receive, [encoded(picture((900, 600)))] * 24))
        assert set(most) == {1}


class TestHonestPhotos:
    """The protections refuse no ordinary photo."""

    @pytest.mark.parametrize(
        "data",
        [
            encoded(picture((400, 300)), progressive=True),
            encoded(picture((400, 300)), restart_marker_blocks=1),
            encoded(picture((400, 300)), "MPO", save_all=True, append_images=[picture()] * 3),
            encoded(picture((400, 300)), icc_profile=bytes(3_000_000)),
            with_scans(50),
        ],
        ids=["progressive", "restarts", "mpo", "large profile", "many scans"],
    )
    def test_unusual_but_honest_photos_are_stored(self, data):
        assert processing.receive(data).width in (400, 64)

    def test_transparent_photos_are_shrunk_without_dark_edges(self):
        image = Image.new("RGBA", (2000, 1000), (0, 0, 0, 0))
        image.paste((255, 0, 0, 255), (0, 0, 1003, 1000))
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, mask=image)
        one, other = (kept(processing.receive(encoded(each, "PNG"))) for each in (image, flat))
        assert one.size == other.size == (1280, 640)
        assert max(most for _, most in ImageChops.difference(one, other).getextrema()) <= 8


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            *(
                "../../../etc/cron.d/evil.jpg",
                "..\\..\\evil.jpg",
                "/etc/passwd.jpg",
                "C:\\evil.jpg",
                "a\0.jpg",
            ),
            *(
                "evil.php.jpg",
                ".jpg",
                "x" * 300 + ".jpg",
                "\u202egpj.exe.jpg",
                "<script>.jpg",
                "%2e%2e%2fevil.jpg",
            ),
        ],
        ids=ascii,
    )
    def test_a_hostile_file_name_does_not_decide_where_the_photo_is_stored(self, as_alice, alice, name):
        sofa = factories.listing(alice)
        upload = SimpleUploadedFile("a.jpg", factories.picture())
        upload._name = name  # unchanged: Django's class would sanitise it
        reply = as_alice.post(
            f"/api/v1/listings/{sofa.external_id}/photos/", {"photo": upload}, format="multipart"
        )
        assert reply.status_code == 201, reply.content
        stored = Photo.objects.get().file.name
        assert django_settings.MEDIA_ROOT.joinpath(stored).is_file()
        assert not set(name[:4]) & set("/\\<") or name not in stored
        assert all(len(path.stem) in (32, 36) for path in files())

    @pytest.mark.parametrize(
        ("name", "content_type"),
        [
            ("photo.png", "image/png"),
            ("photo.jpg", "image/pjpeg"),
            ("photo.heic", "image/heic"),
            ("photo", ""),
        ],
    )
    def test_the_content_decides_the_format_of_a_photo(self, as_alice, alice, name, content_type):
        path = f"/api/v1/listings/{factories.listing(alice).external_id}/photos/"
        upload = SimpleUploadedFile(name, factories.picture(), content_type=content_type)
        assert as_alice.post(path, {"photo": upload}, format="multipart").status_code == 201
        assert {path.suffix for path in files()} == {".jpg"}


def files() -> list[Path]:
    return sorted(path for path in django_settings.MEDIA_ROOT.rglob("*") if path.is_file())


class TestFiftyAtOnce:
    def test_fifty_uploads_at_once_store_the_maximum_of_photos_and_leave_no_other_file(
        self, transactional_db, alice
    ):
        sofa = factories.listing(alice)
        client = client_of(alice)
        path = f"/api/v1/listings/{sofa.external_id}/photos/"
        pictures = [factories.picture(size=(96 + number, 64)) for number in range(50)]

        def upload(data: bytes) -> int:
            try:
                while True:
                    photo = SimpleUploadedFile("a.jpg", data)
                    reply = client.post(path, {"photo": photo}, format="multipart")
                    if reply.status_code != 503:  # others wait for the decoder already
                        return reply.status_code
                    assert reply.headers["Retry-After"]
                    time.sleep(0.05)
            finally:
                connection.close()

        with ThreadPoolExecutor(50) as pool:
            codes = list(pool.map(upload, pictures))
        assert codes.count(201) == MAXIMUM_PHOTOS
        assert {code for code in codes if code != 201} == {
            400
        }  # the listing has the maximum number of photos
        kept_photos = list(Photo.objects.filter(listing=sofa).order_by("position"))
        assert [photo.position for photo in kept_photos] == list(range(MAXIMUM_PHOTOS))
        expected = {processing.path_of(photo.file.name, size) for photo in kept_photos for size in Size}
        assert set(files()) == expected
