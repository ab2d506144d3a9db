"""Fixtures: a row with a photo, and its fetching."""

from datetime import timedelta

import pytest

from listings.batches.fetching import fetch_photos
from listings.batches.listings import ListingRow
from listings.photos.requests import RequestedPhoto
from tests.listings.photo_site import url


@pytest.fixture
def row() -> ListingRow:
    named = (RequestedPhoto("photo-1", url("photo.jpg")),)
    return ListingRow("advert-1", "ada", "Oak table", "Home / Tables", 80, photos=named)


@pytest.fixture
def work(network, now):
    """work(after) fetches the photos that are due after that time."""
    return lambda after=timedelta(0): fetch_photos(clock=lambda: now + after, network=network)
