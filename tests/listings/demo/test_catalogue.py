"""The drawn catalogue: pictures agree with texts, and a second run adds nothing."""

from random import Random

import numpy as np
import pytest
from django.core.management import call_command

from listings.demo import drawings
from listings.demo.kinds import KINDS
from listings.demo.palette import COLOURS
from listings.models import Category, Listing, Photo, Place
from recommendations.models.catalogue_changes import CatalogueChange

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

    def test_drawn_kinds_lie_in_thirteen_root_categories(self):
        assert len({kind.category.split(Category.SEPARATOR)[0] for kind in KINDS.values()}) == 13
        assert all(set(kind.colours) <= set(COLOURS) for kind in KINDS.values())


@pytest.fixture
def towns(db):
    for number, name in enumerate(("Bath", "York", "Leeds")):
        Place.objects.create(name=name, country="GB", latitude=51 + number, longitude=-1, population=10_000)


@pytest.mark.usefixtures("towns")
class TestCatalogue:
    @pytest.fixture(autouse=True)
    def small_pictures(self, monkeypatch):
        monkeypatch.setattr("listings.demo.catalogue.draw", self._draw_small)

    @staticmethod
    def _draw_small(*arguments, **options):
        return drawings.draw(*arguments, **options, side=40)

    def test_drawn_listings_have_photos_words_prices_and_places(self):
        call_command("draw_catalogue", count=30)
        assert Listing.objects.filter(status="active", place__isnull=False, price__gt=0).count() == 30
        for listing in Listing.objects.select_related("category"):
            assert 1 <= listing.photos.count() <= 3
            assert len(listing.description.split(". ")) >= 4
            assert any(colour in listing.title.lower() for colour in COLOURS)

    def test_drawing_the_catalogue_again_changes_and_announces_nothing(self, monkeypatch):
        call_command("draw_catalogue", count=20)
        before = list(Photo.objects.order_by("pk").values_list("pk", "file")), CatalogueChange.objects.count()
        monkeypatch.setattr("listings.demo.catalogue.draw", lambda *a, **o: pytest.fail("it drew again"))
        call_command("draw_catalogue", count=20)
        assert before == (
            list(Photo.objects.order_by("pk").values_list("pk", "file")),
            CatalogueChange.objects.count(),
        )

    def test_drawing_with_another_seed_adds_other_listings(self):
        call_command("draw_catalogue", count=5)
        call_command("draw_catalogue", count=5, seed=2)
        assert Listing.objects.count() == 10
