"""Pictures that have a look of their own, for what tells photos apart."""

import io

import numpy as np
from PIL import Image


def scene(seed: int) -> Image.Image:
    """A picture of something: sixteen by twelve patches of colour, softly joined."""
    patches = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((160, 120), Image.Resampling.BICUBIC)


def saved(image: Image.Image, quality: int = 90) -> bytes:
    """As a JPEG file."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()
