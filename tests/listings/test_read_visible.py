"""Active listings read with their details in one statement are as the ORM reads them."""

import pytest

from listings import queries
from listings.api.serializers import ListingCard
from listings.models import Listing, Place
from listings.queries import read_visible
from tests import factories


@pytest.fixture
def lamp(alice) -> Listing:
    lamp = factories.listing(alice, "Lamp", path="Home & Garden / Lighting / Lamps")
    lamp.place = Place.objects.create(
        name="Leeds", county="West Yorkshire", country="GB", latitude=53.8, longitude=-1.5
    )
    lamp.save()
    for colour in ("navy", "olive"):
        factories.photo(lamp, colour)
    return lamp


def test_a_listing_is_as_the_orm_reads_it(lamp, django_assert_num_queries):
    expected = queries.visible().get(pk=lamp.pk)
    with django_assert_num_queries(1):
        found = read_visible([lamp.pk])[lamp.pk]
        card = ListingCard(found).data
        hashes = [photo.perceptual_hash for photo in found.photos.all()]
    assert card == ListingCard(expected).data
    assert hashes == [photo.perceptual_hash for photo in expected.photos.all()]
    names = [field.attname for field in Listing._meta.concrete_fields if field.name != "search_words"]
    assert [getattr(found, name) for name in names] == [getattr(expected, name) for name in names]


def test_a_photo_is_as_the_orm_reads_it(lamp):
    found, expected = (next(iter(of.photos.all())) for of in (read_visible([lamp.pk])[lamp.pk], lamp))
    assert {**vars(found), "_state": None} == {**vars(expected), "_state": None}


def test_a_listing_without_place_and_photos_is_read(sofa):
    found = read_visible([sofa.pk])[sofa.pk]
    assert (found.place, list(found.photos.all())) == (None, [])


@pytest.mark.parametrize("status", ["draft", "reserved", "withdrawn"])
def test_only_active_listings_are_read(sofa, status):
    Listing.objects.filter(pk=sofa.pk).update(status=status)
    assert read_visible([sofa.pk]) == {}


def test_columns_that_cards_do_not_show_are_read_when_they_are_asked_for(lamp):
    found = read_visible([lamp.pk])[lamp.pk]
    assert (found.seller.kind, found.place.country) == (lamp.seller.kind, "GB")
