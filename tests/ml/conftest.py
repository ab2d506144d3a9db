"""Fixtures for tests of ml: a seeded generator, and drawings of simple shapes."""

import random

import numpy as np
import pytest
from PIL import Image, ImageDraw


@pytest.fixture(autouse=True, scope="session")
def one_native_thread() -> None:
    """One native thread: tests run in parallel, and threads that spin while waiting slow a busy machine."""
    import torch

    from ml.vector_index import set_native_threads

    torch.set_num_threads(1)
    set_native_threads(1)


SHAPES = ("disc", "bar", "frame")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def draw(shape: str, chance: random.Random) -> Image.Image:
    """A picture of one shape in a random colour at a random place on a pale background."""
    picture = Image.new("RGB", (120, 96), tuple(chance.randint(200, 255) for _ in range(3)))
    colour = tuple(chance.randint(0, 140) for _ in range(3))
    left, top = chance.randint(10, 40), chance.randint(10, 30)
    pen = ImageDraw.Draw(picture)
    if shape == "disc":
        pen.ellipse([left, top, left + 50, top + 50], fill=colour)
    elif shape == "bar":
        pen.rectangle([left, top + 15, left + 60, top + 27], fill=colour)
    else:
        pen.rectangle([left, top, left + 50, top + 50], outline=colour, width=6)
    return picture


@pytest.fixture
def drawn() -> tuple[list[Image.Image], list[str]]:
    """150 pictures with the names of their shapes."""
    chance = random.Random(3)
    names = [SHAPES[i % len(SHAPES)] for i in range(150)]
    return [draw(name, chance) for name in names], names
