"""Prices, ages and photos as a page shows them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from listings.models import Photo
from marketplace.storefront.cards import Picture, age_text, price_text


@pytest.mark.parametrize(
    ("price", "text"), [("0", "Free"), ("5", "£5"), ("4.5", "£4.50"), ("1200", "£1,200"), ("99.99", "£99.99")]
)
def test_a_price_shows_pence_only_where_there_are_some(price, text):
    assert price_text(Decimal(price)) == text


def test_a_price_in_a_currency_without_a_sign_names_it(settings):
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"currency": "SEK"})
    assert price_text(Decimal(20)) == "SEK 20"
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"currency": "USD"})
    assert price_text(Decimal(20)) == "$20"


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(hours=3, minutes=59), "3 hours"),
        (timedelta(days=6), "6 days"),
        (timedelta(days=27), "3 weeks"),
        (timedelta(days=800), "2 years"),
    ],
)
def test_an_age_is_given_in_its_largest_unit(age, text):
    assert age_text(age) == text


class TestPictures:
    def test_each_size_is_offered_once_with_its_real_width(self):
        picture = Picture(Photo(file="photos/ab/x.jpg", width=1280, height=960), "A sofa")
        assert [width for _, width in picture.urls] == [256, 640, 1280]
        assert picture.source.endswith("x-256.jpg") and picture.largest.endswith("x.jpg")

    def test_a_small_photo_has_one_size(self):
        picture = Picture(Photo(file="photos/ab/x.jpg", width=200, height=150), "A sofa")
        assert picture.srcset == "/media/photos/ab/x-256.jpg 200w"
