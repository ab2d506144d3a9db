"""Listings near a location, over a made-up map; the feed's own tests cover their effect."""

from dataclasses import replace

import numpy as np
import pytest

from listings.announcing import catalogue_transaction
from ml.ranking.geography import distances_km
from recommendations.replica import generations
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.retrieval import nearby
from recommendations.retrieval.filters import Filters, allowed_rows
from recommendations.taste.location import LocationProfile
from recommendations.taste.profile import read_profile
from tests import factories
from tests.recommendations.small_world import BLOCKS, ENCODER, columns, load

LEEDS, BRADFORD, YORK, BATH = (53.8, -1.55), (53.79, -1.75), (53.96, -1.08), (51.38, -2.36)
NOWHERE = (np.nan, np.nan)


def world(*places: tuple[float, float], trending: tuple[float, ...] = ()) -> CatalogueSnapshot:
    """A snapshot of listings in these places, published in this order."""
    snapshot = load(*((number, 0) for number in range(1, len(places) + 1)))
    attributes = snapshot.attributes.copy()
    attributes["latitude"], attributes["longitude"] = np.array(places).T
    scores = np.array(trending or [0] * len(places), np.float32)
    return replace(snapshot, attributes=attributes, trending=scores)


def scattered(count: int) -> CatalogueSnapshot:
    """Half of them about Leeds, half all over the earth; a few nowhere."""
    rng = np.random.default_rng(3)
    earth = rng.uniform((-90, -180), (90, 180), (count, 2))
    earth[::2] = rng.normal(LEEDS, 0.5, (len(earth[::2]), 2))
    earth[::50] = np.nan
    return world(*earth.round(2))


def location_profile(*places: tuple[float, float]) -> LocationProfile:
    count = len(places)
    return LocationProfile(
        np.full(count, 1 / max(count, 1), np.float32), np.array(places, np.float32).reshape(-1, 2)
    )


class TestNearest:
    @pytest.mark.parametrize("here", [LEEDS, BATH, (0.0, 179.99), (89.9, 10.0), (-90.0, 0.0)], ids=str)
    @pytest.mark.parametrize("count", [1, 30, 900, 10_000])
    def test_the_nearest_rows_are_those_with_the_smallest_distances(self, here, count):
        snapshot = scattered(2000)
        allowed = np.arange(snapshot.row_count) % 3 > 0
        apart = np.where(allowed, nearby.distances(snapshot, here, np.arange(snapshot.row_count)), np.nan)
        expected = np.sort(apart[~np.isnan(apart)])[:count]
        nearest = nearby.nearest(snapshot, here, allowed, count)
        assert apart[nearest].tolist() == expected.tolist()
        assert len(np.unique(nearest)) == len(nearest)

    def test_a_listing_just_outside_a_box_is_nearer_than_one_in_its_corner(self):
        north, corner = (LEEDS[0] + 0.144, LEEDS[1]), (LEEDS[0] + 0.13, LEEDS[1] + 0.22)  # 16 and 20 km
        snapshot = world(corner, north)
        assert nearby.nearest(snapshot, LEEDS, snapshot.alive, 1).tolist() == [1]

    def test_equally_near_listings_come_newest_first(self):
        snapshot = world(YORK, LEEDS, YORK, YORK)
        assert nearby.nearest(snapshot, YORK, snapshot.alive, 3).tolist() == [3, 2, 0]

    def test_a_listing_across_the_date_line_is_near(self):
        snapshot = world((0.0, -179.95), (0.0, 179.0))
        assert nearby.nearest(snapshot, (0.0, 179.95), snapshot.alive, 2).tolist() == [0, 1]

    def test_a_listing_without_coordinates_is_never_near(self):
        snapshot = world(NOWHERE, BATH)
        assert nearby.nearest(snapshot, LEEDS, snapshot.alive, 5).tolist() == [1]

    def test_no_row_is_nearest_without_a_location_or_allowed_rows(self):
        snapshot = world(LEEDS)
        assert nearby.nearest(snapshot, None, snapshot.alive, 5).tolist() == []
        assert nearby.nearest(snapshot, LEEDS, np.zeros(1, bool), 5).tolist() == []
        assert nearby.nearest(snapshot, LEEDS, snapshot.alive, 0).tolist() == []


class TestMostTrending:
    def test_the_most_trending_nearby_are_those_within_the_radius_by_score(self):
        snapshot = world(LEEDS, BRADFORD, YORK, BATH, NOWHERE, trending=(0.1, 0.4, 0.2, 1, 0.9))
        assert nearby.most_trending(snapshot, LEEDS, snapshot.alive, 5).tolist() == [1, 2, 0]
        assert nearby.most_trending(snapshot, LEEDS, snapshot.alive, 1).tolist() == [1]

    def test_a_listing_with_a_trending_score_of_zero_is_not_trending_nearby(self):
        snapshot = world(LEEDS, BRADFORD, trending=(0, 0.1))
        assert nearby.most_trending(snapshot, LEEDS, snapshot.alive, 5).tolist() == [1]

    def test_nothing_trends_nearby_without_a_location(self):
        snapshot = world(LEEDS, trending=(1,))
        assert nearby.most_trending(snapshot, None, snapshot.alive, 5).tolist() == []


class TestLocation:
    def test_a_stated_location_comes_before_the_usual_one(self):
        assert nearby.location_of(Filters(lat=51.38, lon=-2.36), location_profile(LEEDS)) == BATH

    def test_a_location_that_is_not_stated_is_the_medoid_of_the_profile(self):
        assert nearby.location_of(Filters(), location_profile(BATH, LEEDS, YORK, NOWHERE)) == LEEDS

    def test_a_location_is_unknown_without_touched_places(self):
        assert nearby.location_of(Filters(), location_profile()) is None
        assert nearby.location_of(Filters(), location_profile(NOWHERE)) is None

    def test_a_location_filters_listings_only_together_with_a_radius(self):
        snapshot = world(LEEDS, BATH, NOWHERE)
        assert allowed_rows(snapshot, Filters(lat=53.8, lon=-1.55)).all()
        assert allowed_rows(snapshot, Filters(lat=53.8, lon=-1.55, radius_km=9)).tolist() == [
            True,
            False,
            False,
        ]


class TestPrivacyOfSellers:
    """Requested from enough places, exact distances would tell exactly where somebody lives."""

    NEIGHBOURS = {"latitude": 53.7961, "longitude": -1.5549}, {"latitude": 53.8039, "longitude": -1.5451}

    @pytest.fixture
    def neighbours(self, alice, encoder):
        """Two listings a kilometre apart that the API shows in one place."""
        with catalogue_transaction():
            return [factories.listing(alice, f"Lamp {n}", **place) for n, place in enumerate(self.NEIGHBOURS)]

    def test_sellers_shown_in_one_place_are_equally_far_from_everywhere(self, neighbours, follow):
        snapshot = follow()
        rows = snapshot.rows_of(np.array([listing.pk for listing in neighbours]))
        for here in ((53.796, -1.555), (53.81, -1.52), (53.7, -1.6)):
            first, second = nearby.distances(snapshot, here, rows)
            assert first == second == pytest.approx(distances_km(*np.array([[here], [LEEDS]]))[0, 0])

    def test_no_radius_tells_apart_sellers_shown_in_one_place(self, neighbours, anyone, follow):
        follow()
        for radius_km in (0.1, 0.3, 0.5, 0.7, 1.0):
            around = {"lat": 53.796, "lon": -1.555, "radius_km": radius_km}
            for path, words in (("feed/", {}), ("search/", {"q": "lamp"})):
                items = anyone.get(f"/api/v1/{path}", around | words).json()["items"]
                assert len(items) == (2 if radius_km > 0.6 else 0)

    def test_nearness_to_touched_listings_is_measured_from_where_they_are_shown(
        self, bob, neighbours, follow, now
    ):
        snapshot = follow()
        factories.event(bob, neighbours[0], at=now)
        rows = snapshot.rows_of(np.array([listing.pk for listing in neighbours]))
        scores = read_profile(bob, snapshot, now=now).location_profile.place_scores(snapshot, rows)
        assert scores == pytest.approx(np.log([1.02] * 2), abs=1e-6), "both are just there"

    def test_coordinates_of_an_index_that_stored_exact_ones_are_read_rounded(self, settings, tmp_path):
        settings.INDEX_ROOT = tmp_path
        written = columns((1, 0), (2, 1))
        for name in ("latitude", "longitude"):
            written.attributes[name] = [place[name] for place in self.NEIGHBOURS]
        read = generations.publish_generation(ENCODER, BLOCKS, written, seq=1).columns.attributes
        assert read["latitude"].tolist() == pytest.approx([53.8, 53.8], abs=1e-5)
        assert read["longitude"].tolist() == pytest.approx([-1.55, -1.55], abs=1e-5)
