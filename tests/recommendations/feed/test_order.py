"""The order of a feed: stored as a slate, read back, and shown as items."""

import numpy as np
import pytest

from recommendations.feed.order import Order
from recommendations.models.feature_names import FEATURES, SOURCES
from recommendations.slates import store
from tests.recommendations.slates.drafts import draft
from tests.recommendations.small_world import load


def order_of(*listing_ids: int, score: float = 1.0, unknown: str = "content") -> Order:
    """All features are 0.5, but one source knows none of the listings."""
    count = len(listing_ids)
    features = np.full((count, len(FEATURES)), 0.5, np.float32)
    features[:, FEATURES.index(unknown)] = np.nan
    scores = np.full(count, score, np.float32)
    propensities = np.linspace(1, 0.5, count, dtype=np.float32)
    return Order(list(listing_ids), scores, scores / 4, features, propensities, ["new"] * count)


@pytest.mark.django_db
class TestStoredOrder:
    def test_an_order_is_read_from_its_slate_as_it_was_written(self, bob, now):
        written = order_of(7, 3, 5)
        slate = store.find(store.write(written.draft(load(), bob, {"limit": 20}, seed=1), now=now))
        read = Order.from_slate(slate)
        assert (read.listing_ids, read.reasons) == (written.listing_ids, written.reasons)
        for name in ("score", "adjusted", "features", "propensities"):
            np.testing.assert_array_equal(getattr(read, name), getattr(written, name), err_msg=name)

    def test_a_feature_that_this_release_does_not_know_is_left_out_of_a_read_order(self, now):
        features = np.array([[9.0, 0.25, 2.0]], np.float32)
        names = ("a feature of another release", "content", "score")
        slate = store.find(store.write(draft([1], feature_names=names, features=features), now=now))
        read = Order.from_slate(slate)
        assert read.features.shape == (1, len(FEATURES))
        assert read.features[0, FEATURES.index("content")] == 0.25
        assert np.isnan(np.delete(read.features, FEATURES.index("content"), axis=1)).all()
        assert read.score.tolist() == [2.0]
        assert np.isnan(read.adjusted).all()


class TestItems:
    def test_an_item_has_no_score_of_a_source_that_does_not_know_it(self, sofa):
        item = order_of(sofa.pk, unknown="content").item(sofa, None)
        assert item.scores == {source: None if source == "content" else 0.5 for source in SOURCES}

    def test_an_item_that_no_source_knows_has_a_score_of_zero(self, sofa):
        assert order_of(sofa.pk, score=np.nan).item(sofa, None).score == 0

    def test_an_item_has_the_scores_of_its_place_in_the_order(self, sofa):
        order = order_of(sofa.pk + 1, sofa.pk)
        order.features[1, FEATURES.index("fresh")] = 0.75
        assert order.item(sofa, None).scores["fresh"] == 0.75
