"""Context features of candidates, on a made-up world."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from recommendations.models.feature_names import CONTEXT_FEATURES
from recommendations.retrieval.context_features import context_features_of
from recommendations.taste.affinity import TouchedListings, log_prices
from tests.recommendations.small_world import load, taste

NOW = datetime(2026, 3, 2, tzinfo=UTC)
DAY_S = 86_400
LEEDS = (53.8, -1.55)


@pytest.fixture
def snapshot():
    """A listing of £9 at Leeds, two days old, and one of £99 whose place is unknown, a day old."""
    snapshot = load((1, 0), (2, 1))
    attributes = snapshot.attributes.copy()
    attributes["created_at"] = [NOW.timestamp() - days * DAY_S for days in (2, 1)]
    attributes["price_pence"] = [900, 9900]
    attributes["latitude"], attributes["longitude"] = [LEEDS[0], np.nan], [LEEDS[1], np.nan]
    return replace(snapshot, attributes=attributes)


def features_of(snapshot, profile, *, location=LEEDS) -> dict[str, list[float]]:
    features = context_features_of(snapshot, profile, np.arange(2), now=NOW, location=location)
    assert (features.shape, features.dtype) == ((2, len(CONTEXT_FEATURES)), np.float32)
    return dict(zip(CONTEXT_FEATURES, features.T.tolist(), strict=True))


def test_age_price_and_warmth_are_known_of_every_listing(snapshot):
    features = features_of(snapshot, taste(snapshot, {1: 2.0, 2: 1.0}))
    assert features["age_days"] == pytest.approx([2, 1])
    assert features["log_price"] == pytest.approx(np.log([10, 100]), rel=1e-6)
    assert features["warmth"] == [3, 3]


def test_the_distance_is_unknown_without_coordinates_or_a_location(snapshot):
    at_leeds = features_of(snapshot, taste(snapshot, {}))["distance_km"]
    assert at_leeds[0] == pytest.approx(0, abs=0.1)
    assert np.isnan(at_leeds[1])
    assert np.isnan(features_of(snapshot, taste(snapshot, {}), location=None)["distance_km"]).all()


def test_the_price_gap_is_the_distance_from_the_mean_price_of_the_touched_listings(snapshot):
    touched = TouchedListings(
        np.array([0.75, 0.25], np.float32),
        log_prices(np.array([900, 9900])),
        np.zeros(2, np.int64),
        np.zeros((2, 4), np.float32),
    )
    features = features_of(snapshot, replace(taste(snapshot, {1: 3.0, 2: 1.0}), touched=touched))
    assert features["price_gap"] == pytest.approx(np.log(10) * np.array([0.25, 0.75]), rel=1e-5)


def test_the_price_gap_is_unknown_for_an_actor_who_touched_nothing(snapshot):
    assert np.isnan(features_of(snapshot, taste(snapshot, {}))["price_gap"]).all()
