"""Photos similar to a given one."""

from dataclasses import replace

import numpy as np
import pytest
from django.utils import timezone

from listings import services
from listings.announcing import catalogue_transaction
from listings.models import Listing
from recommendations.encoders.encoded_query import EncodedQuery
from recommendations.encoders.query_client import EncoderUnreachable
from recommendations.similar.photos import EncoderSwitching, find_similar_photos, listings_showing
from tests import factories
from tests.recommendations.pictures import saved, scene

PHOTO = b"a photo that is asked about"


@pytest.fixture
def pictured(alice, encoder) -> list[Listing]:
    """Listings with one photo each, of different scenes."""
    with catalogue_transaction():
        listings = [factories.listing(alice, f"Sofa {number}") for number in range(4)]
    for number, listing in enumerate(listings):
        factories.add_picture(listing, saved(scene(number)))
    return listings


@pytest.fixture
def looks_like(encoder, follow):
    """`looks_like(listing)` makes PHOTO look like the photo of this listing."""

    def cache_look(listing: Listing) -> None:
        snapshot = follow()
        row = int(snapshot.rows_of(np.array([listing.pk]))[0])
        look = snapshot.photos_of(row).vectors[0].astype(np.float32)
        vector = np.zeros(snapshot.dimension, np.float32)
        factories.known_answer(EncodedQuery(encoder.version, vector, photo=look), photo=PHOTO)

    return cache_look


def test_the_nearest_photos_come_first_with_growing_distances(pictured, looks_like):
    looks_like(pictured[2])
    matches = find_similar_photos(PHOTO, count=3)
    distances = [distance for _, distance in matches]
    assert matches[0][0].listing_id == pictured[2].pk
    assert len(matches) == 3
    assert distances == sorted(distances)
    assert distances[0] == pytest.approx(0, abs=0.05)


def test_photos_of_a_sold_listing_are_not_similar_before_the_index_knows(pictured, looks_like):
    looks_like(pictured[2])
    services.mark_sold(listing=pictured[2], buyer=None, now=timezone.now())
    assert pictured[2].pk not in [photo.listing_id for photo, _ in find_similar_photos(PHOTO, count=4)]


def test_similar_photos_are_unavailable_while_encoders_are_switched(pictured, looks_like, still_replica):
    looks_like(pictured[2])
    still_replica.snapshot = replace(still_replica.snapshot, encoder_version="the one before")
    with pytest.raises(EncoderSwitching):
        find_similar_photos(PHOTO, count=3)


def test_similar_photos_are_unavailable_without_the_encode_worker(pictured, follow, impatient):
    follow()
    with pytest.raises(EncoderUnreachable):
        find_similar_photos(PHOTO, count=3)


class TestListingsShowing:
    def test_they_are_those_for_sale_whose_photo_has_a_near_hash(self, pictured, now):
        shown = pictured[1].photos.get().perceptual_hash
        near = f"{int(shown, 16) ^ 0b11:016x}"
        assert listings_showing(shown, limit=5) == [pictured[1]]
        assert listings_showing(near, limit=5) == [pictured[1]]
        services.mark_sold(listing=pictured[1], buyer=None, now=now)
        assert listings_showing(shown, limit=5) == []

    def test_a_plain_hash_says_nothing(self, pictured):
        assert listings_showing("0" * 16, limit=5) == []
