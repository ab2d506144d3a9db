"""Drawn photos of second-hand things, by kind and colour. Pillow only, no Django.

All randomness comes from the generator or seed that is passed in.
"""

from collections.abc import Iterator
from random import Random

from PIL import Image

from listings.demo.canvas import Canvas, random_pose
from listings.demo.kinds import KINDS
from listings.demo.palette import COLOURS
from listings.demo.scenes import photograph

SIDE = 400  # pixels
LABELLED_SIDE = 128


def draw(
    kind: str,
    colour: str,
    rng: Random,
    *,
    variant: str | None = None,
    form: int | None = None,
    side: int = SIDE,
) -> Image.Image:
    """A photo of one thing, RGB, `side` x `side` pixels.

    Variant and form identify the thing: the same values draw the same thing again. They are random when not
    given. Pose, scene and light always come from `rng`.
    """
    chosen = KINDS[kind]
    variant = variant or rng.choice(chosen.variants)
    thing = Canvas(side, random_pose(rng, tilt=chosen.tilt))
    chosen.draw(thing, COLOURS[colour], variant, Random(rng.getrandbits(32) if form is None else form))
    return photograph(thing, rng.choice(chosen.scenes), rng)


def labelled_drawings(count: int, seed: int, side: int = LABELLED_SIDE) -> Iterator[tuple[Image.Image, str]]:
    """Training data for a backbone: `count` drawings with the names of their kinds, evenly spread."""
    rng = Random(seed)
    for number in range(count):
        kind = list(KINDS.values())[number % len(KINDS)]
        yield draw(kind.name, rng.choice(kind.colours), rng, side=side), kind.name
