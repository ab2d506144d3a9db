"""Location profiles: places of touched listings, and nearness to them."""

from dataclasses import replace

import numpy as np
import pytest

from recommendations.collaborative.config import TrainingConfig
from recommendations.taste.category_paths import paths_of
from recommendations.taste.location import DEFAULT_DECAY_KM, OTHER_ROOT_WEIGHT, LocationProfile
from tests import factories
from tests.recommendations.small_world import load, model

LEEDS, YORK, BATH, NOWHERE = (53.8, -1.55), (53.96, -1.08), (51.38, -2.36), (np.nan, np.nan)


def touched(*places: tuple[float, float], weights=None, category_ids=None) -> LocationProfile:
    count = len(places)
    return LocationProfile.of(
        np.array(weights or [1] * count, np.float32),
        np.array(places),
        np.array(category_ids or [0] * count, np.int64),
    )


@pytest.fixture
def roots(db) -> tuple[int, int]:
    """Ids of two root categories, which were read."""
    ids = factories.category("Home & Garden").pk, factories.category("Sports").pk
    paths_of(np.array(ids))
    return ids


def world(category_ids, *places: tuple[float, float], decays: dict[str, float] | None = None):
    """A snapshot of a listing in each place, with a model that has these decays."""
    snapshot = load(*((number, 0) for number in range(1, len(places) + 1)))
    attributes = snapshot.attributes.copy()
    attributes["latitude"], attributes["longitude"] = np.array(places).T
    attributes["category_id"] = category_ids
    trained = model({1: (1.0, 0.0)}, recipe=TrainingConfig(decays=decays or {}))
    return replace(snapshot, attributes=attributes).with_collaborative(trained)


class TestMedoid:
    def test_the_medoid_is_the_touched_place_nearest_to_the_others_by_weight(self, db):
        assert touched(BATH, LEEDS, YORK).medoid == LEEDS
        assert touched(BATH, LEEDS, YORK, weights=[9, 1, 1]).medoid == BATH

    def test_the_medoid_leaves_out_unknown_places(self, db):
        assert touched(NOWHERE, YORK, weights=[9, 1]).medoid == YORK
        assert touched(NOWHERE).medoid is None
        assert LocationProfile.none().medoid is None

    def test_touched_places_are_rounded_as_the_api_shows_them(self, db):
        assert touched((53.7961, -1.5549)).medoid == (53.8, -1.55)


class TestPlaceScores:
    def test_nearer_listings_have_higher_place_scores_and_those_without_coordinates_none(
        self, bob, catalogue, did, profile_of, by_name, follow
    ):
        did(bob, catalogue["touched"])
        snapshot = follow()
        profile = profile_of(bob).location_profile
        scores = by_name(profile.place_scores(snapshot, np.arange(snapshot.row_count)), snapshot)
        assert scores["free"] > scores["like it"] > scores["dear"]
        assert np.isnan(scores["nowhere"])

    def test_a_given_location_replaces_the_touched_places(self, roots):
        snapshot = world([roots[0]] * 2, LEEDS, BATH)
        at_leeds, at_bath = touched(LEEDS).place_scores(snapshot, np.arange(2), location=BATH)
        assert at_bath > at_leeds
        of_nobody = LocationProfile.none().place_scores(snapshot, np.arange(2), location=BATH)
        assert of_nobody.tolist() == pytest.approx([at_leeds, at_bath])

    def test_a_place_touched_in_another_root_category_counts_by_its_lower_weight(self, roots):
        home, sports = roots
        snapshot = world([home] * 2, LEEDS, BATH)
        profile = touched(LEEDS, BATH, category_ids=[home, sports])
        own, other = np.exp(profile.place_scores(snapshot, np.arange(2)))
        least = np.exp(touched(LEEDS).place_scores(world([home], (-33.9, 151.2)), np.arange(1)))[0]
        assert (other - least) / (own - least) == pytest.approx(OTHER_ROOT_WEIGHT, rel=0.01)

    def test_a_fitted_distance_decay_replaces_the_default_of_its_root_category(self, roots):
        home, sports = roots
        snapshot = world([home, sports], YORK, YORK, decays={"Sports": 4 * DEFAULT_DECAY_KM})
        by_default, fitted = touched(LEEDS).place_scores(snapshot, np.arange(2))
        assert fitted > by_default
