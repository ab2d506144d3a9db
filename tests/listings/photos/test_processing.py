"""Reception of photos: refusals, stored sizes, and files on disk."""

import io
import struct
import zlib

import pytest
from django.conf import settings as django_settings
from PIL import Image, ImageCms

from listings.photos import processing
from listings.photos.processing import LARGE, MEDIUM, THUMBNAIL, BadPhoto, Size
from tests.listings.photos.encoding import (
    encoded,
    frames,
    kept,
    picture,
    png_chunk,
)


def is_near(colour: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 12 for a, b in zip(colour, expected, strict=True))


def png_that_claims(width: int, height: int) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + png_chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + png_chunk(b"IEND", b"")
    )


@pytest.fixture
def limits(settings):
    def set_limits(**changes):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=changes)

    return set_limits


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "empty"),
            (b"hello", "not a JPEG, PNG, WebP or AVIF"),
            (
                b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
                "not a JPEG, PNG, WebP or AVIF",
            ),
            (encoded(picture(), "GIF"), "not a JPEG, PNG, WebP or AVIF"),
            (encoded(picture(), "GIF", **frames()), "not a JPEG, PNG, WebP or AVIF"),
            (bytes(3) + b"\x18ftypheic" + bytes(8) + b"mif1", "The file is HEIC, not a JPEG"),
            (encoded(picture(), "BMP"), "not a JPEG, PNG, WebP or AVIF"),
            (encoded(picture(), "WEBP", **frames()), "animated"),
            (encoded(picture(), "PNG", **frames()), "animated"),
            (encoded(picture((400, 300)))[:-900], "cut short"),
            (encoded(picture((400, 300)), "PNG")[:-60], "cut short"),
            (encoded(picture((400, 300)), "WEBP")[:-60], ""),
            (encoded(picture())[:20], ""),
            (png_that_claims(30_000, 30_000), "pixels"),
            (png_that_claims(9_000, 9_000), "9,000 x 9,000 pixels"),
            (png_that_claims(200, 200), "cut short"),
        ],
        ids=str,
    )
    def test_a_file_that_is_no_photo_is_refused_in_one_sentence(self, data, message):
        with pytest.raises(BadPhoto) as refusal:
            processing.receive(data)
        assert message in refusal.value.detail
        assert refusal.value.detail.endswith(".") and "\n" not in refusal.value.detail
        assert refusal.value.field == "photo"

    def test_a_file_of_too_many_bytes_is_refused_unread(self, limits):
        limits(photo_maximum_bytes=1000)
        with pytest.raises(BadPhoto, match="at most 1,000"):
            processing.receive(b"x" * 1001)

    def test_pixels_of_a_photo_are_counted_before_they_are_decoded(self, limits, monkeypatch):
        limits(photo_maximum_pixels=5000)
        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: pytest.fail("it was decoded"))
        with pytest.raises(BadPhoto, match="90 x 60 pixels"):
            processing.receive(encoded(picture()))


class TestWhatIsKept:
    @pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
    def test_photos_of_every_accepted_format_become_jpegs(self, image_format):
        image = kept(processing.receive(encoded(picture(), image_format)))
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (90, 60))
        assert is_near(image.getpixel((10, 30)), (254, 0, 0))

    def test_a_photo_is_stored_in_three_sizes_and_never_enlarged(self):
        received = processing.receive(encoded(picture((2000, 1000))))
        assert {size: kept(received, size).size for size in Size} == {
            LARGE: (1280, 640),
            MEDIUM: (640, 320),
            THUMBNAIL: (256, 128),
        }
        assert (received.width, received.height) == (1280, 640)
        small = processing.receive(encoded(picture((30, 20))))
        assert kept(small).size == (30, 20) and small.sizes[THUMBNAIL] is small.sizes[LARGE]

    def test_a_photo_taken_sideways_stands_upright(self):
        exif = Image.Exif()
        exif[0x0112] = 6  # rotated clockwise
        for image_format in ("JPEG", "PNG", "WEBP"):
            image = kept(processing.receive(encoded(picture(), image_format, exif=exif)))
            assert image.size == (60, 90)
            assert is_near(image.getpixel((30, 10)), (254, 0, 0))

    def test_a_transparent_photo_taken_sideways_stands_upright(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        assert kept(processing.receive(encoded(picture(mode="RGBA"), "PNG", exif=exif))).size == (60, 90)

    def test_metadata_of_place_camera_and_comment_is_dropped(self):
        exif = Image.Exif()
        exif[0x010F] = "SecretCam"
        exif.get_ifd(0x8825)[1] = "N"
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        data = encoded(picture(), exif=exif, icc_profile=profile, comment=b"my address", dpi=(300, 300))
        assert b"SecretCam" in data and b"my address" in data
        for stored in processing.receive(data).sizes.values():
            image = Image.open(io.BytesIO(stored))
            assert not dict(image.getexif()) and set(image.info) <= {
                "jfif",
                "jfif_version",
                "jfif_unit",
                "jfif_density",
            }
            assert b"SecretCam" not in stored and b"my address" not in stored

    def test_a_photo_with_broken_metadata_is_accepted(self):
        assert (
            processing.receive(encoded(picture(), icc_profile=b"no profile", exif=b"Exif\0\0junk")).width
            == 90
        )

    def test_transparent_parts_of_a_photo_become_white(self):
        image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
        for picture_of_nothing in (image, image.convert("LA"), image.convert("P")):
            assert is_near(
                kept(processing.receive(encoded(picture_of_nothing, "PNG"))).getpixel((5, 5)), (255,) * 3
            )

    @pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK"])
    def test_photos_in_other_colour_modes_become_rgb(self, mode):
        data = encoded(picture(mode=mode), "JPEG" if mode == "CMYK" else "PNG")
        assert kept(processing.receive(data)).mode == "RGB"

    def test_greys_of_sixteen_bits_are_scaled_and_not_clipped(self):
        image = Image.new("I;16", (40, 40), 32768)
        assert is_near(kept(processing.receive(encoded(image, "PNG"))).getpixel((5, 5)), (128, 128, 128))

    def test_a_phones_jpeg_with_a_second_picture_behind_it_is_no_animation(self):
        data = encoded(picture(), "MPO", save_all=True, append_images=[picture((9, 9))])
        assert Image.open(io.BytesIO(data)).format == "MPO"
        assert processing.receive(data).width == 90

    def test_the_same_photo_has_the_same_sha256_and_a_similar_one_the_same_perceptual_hash(self):
        one, again = processing.receive(encoded(picture())), processing.receive(encoded(picture()))
        resaved = processing.receive(encoded(picture(), quality=60))
        other = processing.receive(encoded(picture().transpose(Image.Transpose.ROTATE_90)))
        assert one == again and len(one.sha256) == 64 and len(one.perceptual_hash) == 16
        assert one.sha256 != resaved.sha256 and one.perceptual_hash == resaved.perceptual_hash
        assert one.perceptual_hash != other.perceptual_hash


def files() -> list[str]:
    return sorted(path.name for path in django_settings.MEDIA_ROOT.rglob("*") if path.is_file())


class TestTheDisk:
    @pytest.fixture(autouse=True)
    def media(self, settings, tmp_path):
        settings.MEDIA_ROOT = tmp_path

    @pytest.mark.parametrize("size", [(60, 40), (1400, 900)])
    def test_all_sizes_of_a_photo_are_written_under_a_generated_name(self, size):
        received = processing.receive(encoded(picture(size)))
        name = processing.store(received)
        folder, file = name.removeprefix("photos/").split("/")
        assert file.startswith(folder) and len(files()) == 3
        for each in Size:
            assert processing.path_of(name, each).read_bytes() == received.sizes[each]
        assert processing.url_of(name) == f"/media/{name}"
        assert processing.url_of(name, THUMBNAIL) == f"/media/{name.removesuffix('.jpg')}-256.jpg"

    def test_a_photo_stored_twice_is_two_photos(self):
        received = processing.receive(encoded(picture()))
        first, second = processing.store(received), processing.store(received)
        processing.delete_files([first])
        assert processing.path_of(second, MEDIUM).exists() and len(files()) == 3

    def test_deleting_the_files_of_a_photo_twice_succeeds(self):
        name = processing.store(processing.receive(encoded(picture())))
        processing.delete_files([name])
        processing.delete_files([name])
        assert files() == []

    def test_storing_a_photo_on_a_full_disk_leaves_no_file(self, monkeypatch):
        received = processing.receive(encoded(picture((1400, 900))))
        write = processing._write

        def write_or_fail(name, size, sizes):
            if size == THUMBNAIL:
                raise OSError("No space left on device")
            write(name, size, sizes)

        monkeypatch.setattr(processing, "_write", write_or_fail)
        with pytest.raises(OSError, match="No space"):
            processing.store(received)
        assert files() == []
