"""The drawn catalogue: pictures agree with texts, and a second run adds nothing."""

import pytest
from django.core.management import call_command

from listings.demo import drawings
from listings.demo.palette import COLOURS
from listings.models import Listing, Photo, Place
from recommendations.models.catalogue_changes import CatalogueChange


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
