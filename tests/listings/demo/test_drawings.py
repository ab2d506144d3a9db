"""Drawn pictures of things."""

from random import Random

import numpy as np
import pytest

from listings.demo import drawings
from listings.demo.kinds import KINDS

RED, BLUE = 0, 2


def pixels(image) -> np.ndarray:
    return np.asarray(image, dtype=float)


class TestDrawing:
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_kind_of_thing_is_drawn_in_every_variant_and_colour(self, kind):
        for variant in KINDS[kind].variants:
            for colour in KINDS[kind].colours:
                image = drawings.draw(kind, colour, Random(1), variant=variant, side=48)
                assert (image.mode, image.size) == ("RGB", (48, 48)) and pixels(image).std() > 5

    def test_the_same_seed_draws_the_same_picture(self):
        one, again, other = (drawings.draw("sofa", "red", Random(seed), side=64) for seed in (1, 1, 2))
        assert one == again != other

    def test_a_drawn_things_colour_shows_in_the_middle_of_the_picture(self):
        red, blue = (pixels(drawings.draw("sofa", colour, Random(3), side=96)) for colour in ("red", "navy"))
        middle = np.s_[44:60, 40:56]
        assert red[middle][..., RED].mean() > blue[middle][..., RED].mean() + 60
        assert blue[middle][..., BLUE].mean() > red[middle][..., BLUE].mean()

    def test_labelled_drawings_show_all_kinds_equally_often(self):
        pairs = list(drawings.labelled_drawings(2 * len(KINDS), seed=5, side=32))
        assert sorted(label for _, label in pairs) == sorted(2 * list(KINDS))
        assert {image.size for image, _ in pairs} == {(32, 32)}
        again = drawings.labelled_drawings(2 * len(KINDS), seed=5, side=32)
        assert all(one == other for (one, _), (other, _) in zip(pairs, again, strict=True))
