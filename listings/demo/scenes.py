"""Backdrops, and the composition of a photo: backdrop, shadow, thing, light."""

from collections.abc import Callable
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from listings.demo.canvas import SUPERSAMPLING, Canvas, Colour, mix, shade

WALLS = ((232, 226, 214), (216, 222, 226), (206, 214, 200), (238, 234, 230), (196, 200, 208), (228, 208, 196))
FLOORS = ((170, 126, 82), (138, 98, 64), (196, 160, 118), (120, 112, 106))
CARPETS = ((168, 158, 146), (132, 138, 146), (190, 178, 160), (112, 104, 100))
CLOTHS = ((236, 234, 228), (206, 214, 224), (226, 212, 204), (190, 198, 188))
SKIES = ((186, 212, 236), (206, 218, 226), (168, 200, 232))
LAWNS = ((106, 148, 76), (88, 128, 70), (132, 160, 92))
BRICK = (168, 96, 76)


def room(canvas: Canvas, rng: Random) -> None:
    wall, floor, horizon = rng.choice(WALLS), rng.choice(FLOORS), rng.uniform(0.64, 0.74)
    canvas.box(0, 0, 1, horizon, wall)
    _planks(canvas, floor, horizon, rng)
    canvas.box(0, horizon - 0.03, 1, horizon, shade(wall, 1.4))
    if rng.random() < 0.5:
        _picture(canvas, rng)


def _planks(canvas: Canvas, floor: Colour, horizon: float, rng: Random) -> None:
    canvas.box(0, horizon, 1, 1, floor)
    middle = rng.uniform(0.3, 0.7)
    for plank in range(-14, 15):
        edge = middle + plank * 0.14
        top = middle + plank * 0.07
        canvas.polygon(
            [(top, horizon), (top + 0.07, horizon), (edge + 0.14, 1), (edge, 1)],
            shade(floor, rng.uniform(0.92, 1.08)),
        )


def _picture(canvas: Canvas, rng: Random) -> None:
    left, top = rng.choice((rng.uniform(-0.05, 0.1), rng.uniform(0.7, 0.85))), rng.uniform(0.04, 0.14)
    canvas.box(left, top, left + 0.22, top + 0.18, shade(rng.choice(FLOORS), 0.7))
    canvas.box(
        left + 0.02, top + 0.02, left + 0.2, top + 0.16, mix(rng.choice(SKIES), rng.choice(LAWNS), 0.4)
    )


def carpet(canvas: Canvas, rng: Random) -> None:
    wall, floor, horizon = rng.choice(WALLS), rng.choice(CARPETS), rng.uniform(0.58, 0.72)
    canvas.box(0, 0, 1, horizon, wall)
    canvas.box(0, horizon, 1, 1, floor)
    canvas.box(0, horizon - 0.025, 1, horizon, shade(wall, 1.5))
    if rng.random() < 0.6:
        canvas.disc(0.5, 0.9, rng.uniform(0.4, 0.6), shade(rng.choice(CARPETS), 1.15), height=0.13)


def table(canvas: Canvas, rng: Random) -> None:
    wood = rng.choice(FLOORS)
    canvas.box(0, 0, 1, 1, wood)
    top = 0.0
    while top < 1:
        height = rng.uniform(0.06, 0.2)
        canvas.box(0, top, 1, top + height, shade(wood, rng.uniform(0.9, 1.1)))
        canvas.line([(0, top), (1, top)], 0.004, shade(wood, 0.75))
        top += height


def cloth(canvas: Canvas, rng: Random) -> None:
    colour = rng.choice(CLOTHS)
    canvas.box(0, 0, 1, 1, colour)
    for _ in range(7):
        start, end, bend = (rng.uniform(-0.1, 1.1), -0.05), (rng.uniform(-0.1, 1.1), 1.05), rng.uniform(0, 1)
        canvas.curve(
            [start, (bend, 0.5), end], rng.uniform(0.02, 0.07), shade(colour, rng.uniform(0.93, 1.12))
        )


def studio(canvas: Canvas, rng: Random) -> None:
    colour = rng.choice(WALLS)
    for band in range(24):
        canvas.box(0, band / 24, 1, (band + 1.5) / 24, shade(colour, 1.25 - 0.4 * abs(band / 24 - 0.3)))


def garden(canvas: Canvas, rng: Random) -> None:
    sky, lawn, horizon = rng.choice(SKIES), rng.choice(LAWNS), rng.uniform(0.52, 0.64)
    canvas.box(0, 0, 1, horizon, sky)
    for _ in range(9):
        canvas.disc(rng.uniform(0, 1), horizon, rng.uniform(0.08, 0.2), shade(lawn, rng.uniform(0.6, 0.85)))
    canvas.box(0, horizon, 1, 1, lawn)
    for _ in range(120):
        x, y = rng.uniform(0, 1), rng.uniform(horizon, 1)
        canvas.line([(x, y), (x + 0.01, y - 0.025)], 0.004, shade(lawn, rng.uniform(0.85, 1.2)))


def yard(canvas: Canvas, rng: Random) -> None:
    horizon, brick = rng.uniform(0.62, 0.74), mix(BRICK, rng.choice(WALLS), rng.uniform(0, 0.4))
    canvas.box(0, 0, 1, horizon, shade(brick, 1.2))
    for row in range(int(horizon / 0.055) + 1):
        for column in range(-1, 8):
            left, top = column * 0.14 + (row % 2) * 0.07, horizon - (row + 1) * 0.055
            canvas.box(left, top, left + 0.13, top + 0.046, shade(brick, rng.uniform(0.9, 1.05)))
    canvas.box(0, horizon, 1, 1, rng.choice(((150, 148, 144), (128, 128, 130), (176, 170, 160))))


SCENES: dict[str, Callable[[Canvas, Random], None]] = {
    scene.__name__: scene for scene in (room, carpet, table, cloth, studio, garden, yard)
}


def photograph(thing: Canvas, scene: str, rng: Random) -> Image.Image:
    """The thing in its scene with shadow, light and grain, as an RGB image."""
    backdrop = Canvas(thing.side // SUPERSAMPLING)
    SCENES[scene](backdrop, rng)
    picture = backdrop.image.convert("RGB")
    # A scene behind the thing is out of focus; a table or a cloth under it is not.
    if scene not in ("table", "cloth"):
        picture = _blurred(picture, 0.006)
    picture = _with_shadow(picture, thing.image.getchannel("A"), rng)
    picture.paste(thing.image, mask=thing.image)
    return _in_light(picture.reduce(SUPERSAMPLING), rng)


def _blurred(picture: Image.Image, radius: float) -> Image.Image:
    """Blur by a radius given as a share of the side. Works on a quarter-size copy, which is faster."""
    small = picture.reduce(4)
    return small.filter(ImageFilter.GaussianBlur(radius * small.width)).resize(picture.size)


def _with_shadow(picture: Image.Image, mask: Image.Image, rng: Random) -> Image.Image:
    across, down = (
        round(rng.uniform(-0.035, 0.035) * mask.width),
        round(rng.uniform(0.012, 0.03) * mask.width),
    )
    shadow = _blurred(ImageChops.offset(mask, across, down), 0.022).point(lambda value: value * 0.45)
    return Image.composite(Image.new("RGB", picture.size, (24, 20, 18)), picture, shadow)


def _in_light(picture: Image.Image, rng: Random) -> Image.Image:
    """The picture with a light gradient, vignette, colour temperature and sensor noise."""
    pixels = np.asarray(picture, dtype=np.float32)
    y, x = np.mgrid[-1 : 1 : 1j * picture.height, -1 : 1 : 1j * picture.width].astype(np.float32)
    light = 1 + rng.uniform(-0.09, 0.09) * x + rng.uniform(-0.1, 0.03) * y - 0.07 * (x * x + y * y)
    warmth = rng.uniform(-0.05, 0.05)
    tint = np.array([1 + warmth, 1, 1 - warmth], dtype=np.float32) * rng.uniform(0.94, 1.08)
    grain = np.random.default_rng(rng.getrandbits(32)).normal(0, 2.2, pixels.shape[:2]).astype(np.float32)
    lit = pixels * light[..., None] * tint + grain[..., None]
    return Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
