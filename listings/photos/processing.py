"""Reception of photos: verify, rotate upright, strip metadata, re-encode, hash and store. No database.

The received bytes are never stored: only files encoded here reach the disk, under generated names.
"""

import hashlib
import io
import os
import threading
import uuid
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import imagehash
from django.conf import settings
from PIL import Image, ImageCms, ImageOps

from listings.errors import Invalid
from listings.photos import jpeg_structure
from listings.photos.cut_jpegs import completed
from listings.photos.header import Header, other_format, read_header

FOLDER = "photos"  # under MEDIA_ROOT
BUILDING = ".building-"  # prefix of a file that is being written
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")
JPEG_QUALITY = 88
WHITE = (255, 255, 255)
MAXIMUM_PROFILE_BYTES = 4_000_000  # printing presses have colour profiles of 3 MB

# A transparent photo of 40 megapixels takes 0.5 GB while it is decoded, so large photos are decoded one at a
# time.
LARGE_PIXELS = 12_000_000
_one_large = threading.Lock()


class Size(StrEnum):
    """The sizes of each stored photo. A smaller photo is not enlarged."""

    LARGE = "large"
    MEDIUM = "medium"
    THUMBNAIL = "thumbnail"


LARGE, MEDIUM, THUMBNAIL = Size
LONGEST_SIDES = {LARGE: 1280, MEDIUM: 640, THUMBNAIL: 256}
SUFFIXES = {LARGE: "", MEDIUM: "-640", THUMBNAIL: "-256"}


class BadPhoto(Invalid):
    """The file is not an acceptable photo. `detail` is the reason in one sentence."""

    def __init__(self, detail: str):
        super().__init__(detail, field="photo")


@dataclass(frozen=True)
class ReceivedPhoto:
    """A photo as it will be stored. Sizes with the same picture share one bytes object."""

    sha256: str  # of the received bytes
    perceptual_hash: str  # pHash: 64 bits of the DCT as 16 hexadecimal digits
    width: int  # of the large size
    height: int
    sizes: dict[Size, bytes]  # JPEG


def receive(data: bytes) -> ReceivedPhoto:
    """Verify and re-encode one photo. Writes no file. Raises BadPhoto.

    The content decides the format, whatever the file is named or declared as.
    """
    header = check(data)
    with _one_large if header.pixel_count > LARGE_PIXELS else nullcontext():
        return decode(data, opened(data, most_pixels=settings.ENVIRONMENT.photo_maximum_pixels))


def check(data: bytes, *, most_pixels: int | None = None) -> Header:
    """Verify size, format and dimensions by the header, without decoding. Raises BadPhoto.

    most_pixels: a limit below that of the settings.
    """
    limits = settings.ENVIRONMENT
    if not data:
        raise BadPhoto("The file is empty.")
    if len(data) > limits.photo_maximum_bytes:
        raise BadPhoto(
            f"The file has {len(data):,} bytes; at most {limits.photo_maximum_bytes:,} are accepted."
        )
    if jpeg_structure.is_overloaded(data):
        raise BadPhoto("The JPEG has more scans or segments than any photo: save it anew and send that.")
    header = read_header(data)
    if header is None:
        raise _no_image(other_format(data))
    most_pixels = min(most_pixels or limits.photo_maximum_pixels, limits.photo_maximum_pixels)
    _refuse_many_pixels(header.width, header.height, most_pixels)
    return header


def decode(data: bytes, image: Image.Image) -> ReceivedPhoto:
    """Decode and re-encode a photo that `opened` has opened. Raises BadPhoto.

    A JPEG that lacks its last bytes is taken where nearly all of it can be seen.
    """
    large = _decoded(completed(data) or image)
    pictures = {size: _shrunk(large, side) for size, side in LONGEST_SIDES.items()}
    return ReceivedPhoto(
        sha256=hashlib.sha256(data).hexdigest(),
        perceptual_hash=str(imagehash.phash(pictures[THUMBNAIL])),
        width=large.width,
        height=large.height,
        sizes=_encoded(pictures),
    )


def store(received: ReceivedPhoto) -> str:
    """Write all sizes. Returns the name of the large one. A failure leaves no file behind."""
    key = uuid.uuid4().hex
    name = f"{FOLDER}/{key[:2]}/{key}.jpg"
    try:
        path_of(name).parent.mkdir(parents=True, exist_ok=True)
        for size in Size:
            _write(name, size, received.sizes)
    except BaseException:
        delete_files([name])
        raise
    return name


def delete_files(names: Iterable[str]) -> None:
    """Delete every size of these photos. Missing files are ignored."""
    for name in names:
        for size in Size:
            path = path_of(name, size)
            path.unlink(missing_ok=True)
            _building(path).unlink(missing_ok=True)


def folder_has_files() -> bool:
    """Whether the photo folder has any content. It may be a disk of its own that is not mounted."""
    with suppress(OSError), os.scandir(Path(settings.MEDIA_ROOT) / FOLDER) as entries:
        return next(entries, None) is not None
    return False


def path_of(name: str, size: Size = LARGE) -> Path:
    """The path of a stored photo in this size."""
    return Path(settings.MEDIA_ROOT) / _sized(name, size)


def url_of(name: str, size: Size = LARGE) -> str:
    """The URL of a stored photo in this size."""
    return settings.MEDIA_URL + _sized(name, size)


def _sized(name: str, size: Size) -> str:
    return f"{name.removesuffix('.jpg')}{SUFFIXES[size]}.jpg"


def _write(name: str, size: Size, sizes: dict[Size, bytes]) -> None:
    path = path_of(name, size)
    if size != LARGE and sizes[size] is sizes[LARGE]:
        # A small photo is the same in all sizes. Not every file system has hard links.
        with suppress(OSError):
            path.hardlink_to(path_of(name))
            return
    building = _building(path)  # renamed when complete, for backups
    building.write_bytes(sizes[size])
    building.replace(path)


def _building(path: Path) -> Path:
    return path.with_name(f"{BUILDING}{path.name}")


def opened(data: bytes, *, most_pixels: int) -> Image.Image:
    """The image, not decoded yet. Of a WebP it may take the memory of all pixels. Raises BadPhoto."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception:  # a hostile header can raise anything
        raise _no_image() from None
    _refuse_many_pixels(image.width, image.height, most_pixels)
    # Phones append a preview or a depth map to a JPEG (MPO): the first picture is the photo.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise BadPhoto("The image is animated; a photo has one frame.")
    return image


def _no_image(found: str | None = None) -> BadPhoto:
    if found:
        return BadPhoto(f"The file is {found}, not a JPEG, PNG, WebP or AVIF image.")
    return BadPhoto("The file is not a JPEG, PNG, WebP or AVIF image, or it is damaged.")


def _refuse_many_pixels(width: int, height: int, most_pixels: int) -> None:
    if width * height > most_pixels:
        raise BadPhoto(
            f"The image has {width:,} x {height:,} pixels; at most {most_pixels:,} are accepted here."
        )


def _decoded(image: Image.Image) -> Image.Image:
    """The large size: RGB in sRGB, upright, without metadata."""
    try:
        picture = _plain_mode(image)
        # Lets a JPEG decode at 1/2, 1/4 or 1/8 of its size.
        picture.thumbnail((LONGEST_SIDES[LARGE],) * 2, reducing_gap=2.0)
        picture.load()
        picture = _in_srgb(ImageOps.exif_transpose(picture), image.info.get("icc_profile"))
    except Exception:  # truncated or hostile data can raise anything
        raise BadPhoto("The image is damaged or cut short: it cannot be decoded.") from None
    picture.info.clear()
    return picture


def _plain_mode(image: Image.Image) -> Image.Image:
    """The image in mode RGB, L or CMYK, which can be resized. Transparent parts become white."""
    if image.has_transparency_data:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        image.thumbnail((LONGEST_SIDES[LARGE],) * 2, reducing_gap=2.0)  # before three copies of it are made
        flat = Image.new("RGBA", image.size, WHITE)
        flat.alpha_composite(image)
        return _with_exif(flat.convert("RGB"), image)
    if image.mode.startswith("I"):  # 16 bits of grey, which convert() would clip
        return _with_exif(image.convert("I").point(lambda value: value / 257).convert("L"), image)
    return image if image.mode in ("RGB", "L", "CMYK") else image.convert("RGB")


def _with_exif(picture: Image.Image, source: Image.Image) -> Image.Image:
    picture.info["exif"] = source.getexif().tobytes()
    return picture


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and len(profile) <= MAXIMUM_PROFILE_BYTES:
        with suppress(ImageCms.PyCMSError, OSError):  # a broken profile is ignored, as browsers do
            source, target = io.BytesIO(profile), ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
            if converted is not None:
                return converted
    return picture.convert("RGB")


def _shrunk(picture: Image.Image, longest_side: int) -> Image.Image:
    if max(picture.size) <= longest_side:
        return picture
    smaller = picture.copy()
    smaller.thumbnail((longest_side, longest_side))
    return smaller


def _encoded(pictures: dict[Size, Image.Image]) -> dict[Size, bytes]:
    encoded = {id(picture): _as_jpeg(picture) for picture in {id(p): p for p in pictures.values()}.values()}
    return {size: encoded[id(picture)] for size, picture in pictures.items()}


def _as_jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
