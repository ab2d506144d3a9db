"""The radius filter in SQL: near the poles, across the date line, and to where the API shows a listing."""

import pytest

from listings.models import Listing
from recommendations.retrieval.sql_filters import within_radius
from tests import factories


@pytest.fixture
def listing_at(alice):
    return lambda latitude, longitude: factories.listing(alice, latitude=latitude, longitude=longitude)


def found_within(latitude: float, longitude: float, radius_km: float) -> set[int]:
    condition = within_radius(latitude, longitude, radius_km)
    return set(Listing.objects.filter(condition).values_list("pk", flat=True))


def test_a_radius_keeps_what_lies_within_it_and_leaves_out_listings_without_a_location(listing_at):
    near, _, _ = listing_at(53.8, -1.55), listing_at(53.96, -1.08), listing_at(None, None)
    assert found_within(53.79, -1.75, 20) == {near.pk}


def test_a_radius_that_covers_a_pole_reaches_every_longitude(listing_at):
    beyond = listing_at(89.95, 179.0)
    assert found_within(89.9, 0.0, 20) == {beyond.pk}
    assert found_within(89.9, 0.0, 10) == set()


@pytest.mark.parametrize(("longitude", "other"), [(179.95, -179.95), (-179.95, 179.95)])
def test_a_radius_reaches_across_the_date_line(listing_at, longitude, other):
    across = listing_at(0.0, longitude)
    assert found_within(0.0, other, 12) == {across.pk}
    assert found_within(0.0, other, 10) == set()


def test_a_radius_is_measured_to_the_rounded_place_that_the_api_shows(listing_at):
    exact = listing_at(53.8049, -1.5549)  # shown at 53.8, -1.55; 0.63 km from there
    assert found_within(53.8, -1.55, 0.1) == {exact.pk}
    assert found_within(53.8049, -1.5549, 0.5) == set()


def test_the_widest_radius_keeps_every_listing_with_a_location(listing_at):
    everywhere = [listing_at(-90.0, 0.0), listing_at(0.0, 180.0), listing_at(53.8, -1.55)]
    listing_at(None, None)
    assert found_within(53.8, -1.55, 20_040) == {listing.pk for listing in everywhere}
