"""Pictures that differ in look, and photos with given perceptual hashes."""

import io

import numpy as np
from PIL import Image

from listings import queries
from listings.models import Listing, Photo

SCENE = "f0e1d2c3b4a59687"  # a perceptual hash: half of its bits are set
THREE_BITS_OFF = "f0e1d2c3b4a59680"
FOUR_BITS_OFF = "f0e1d2c3b4a59688"
OTHER_SCENE = "5a6978879687a5b4"
BLANK = "8000000000000000"


def scene(seed: int) -> Image.Image:
    """A picture of something: sixteen by twelve patches of colour, softly joined."""
    patches = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((160, 120), Image.Resampling.BICUBIC)


def saved(image: Image.Image, quality: int = 90) -> bytes:
    """As a JPEG file."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def hashed(listing: Listing, *hashes: str) -> Listing:
    """The listing as results hold it, with new photos of these hashes and without features."""
    for number, perceptual_hash in enumerate(hashes):
        unique = f"{listing.pk}-{number}"
        Photo.objects.create(
            listing=listing,
            position=number,
            file=f"photos/{unique}.jpg",
            sha256=unique,
            perceptual_hash=perceptual_hash,
            width=320,
            height=240,
        )
    return queries.visible().get(pk=listing.pk)
