"""Diversity of the order that is shown, on a world of made-up vectors."""

from dataclasses import replace

import numpy as np
import pytest

from ml.ranking.calibration import Calibration
from recommendations.models.feature_names import FEATURES
from recommendations.models.feed_parameters import FeedParameters
from recommendations.ranking.diversity import diversified_order
from recommendations.ranking.scoring import Ranked
from recommendations.slates import store
from tests.recommendations.small_world import load

BY_RELEVANCE = FeedParameters(relevance_share=1.0, seller_cap=20, category_cap=20)


def ranked_of(snapshot) -> Ranked:
    """Rows in their own order."""
    count = snapshot.row_count
    unknown = np.full((count, len(FEATURES)), np.nan, np.float32)
    score = np.linspace(1, 0, count, dtype=np.float32)
    return Ranked(np.arange(count, dtype=np.int32), score, unknown, unknown, np.ones(1, np.float32), score)


def snapshot_of(count: int, *, sellers: int = 1000, categories: int = 1000, directions: int = 4):
    snapshot = load(*[(number, number % directions) for number in range(1, count + 1)])
    snapshot.attributes["seller_id"] = np.arange(count) % sellers
    snapshot.attributes["category_id"] = np.arange(count) % categories
    return snapshot


def test_an_order_by_relevance_alone_is_the_ranking():
    snapshot = snapshot_of(30)
    assert diversified_order(snapshot, ranked_of(snapshot), BY_RELEVANCE).tolist() == list(range(30))


def test_a_lower_share_of_relevance_brings_a_different_listing_sooner():
    snapshot = load(*[(number, 0) for number in range(1, 10)], (10, 1))
    ranked = ranked_of(snapshot)
    varied = diversified_order(snapshot, ranked, replace(BY_RELEVANCE, relevance_share=0.3)).tolist()
    assert diversified_order(snapshot, ranked, BY_RELEVANCE).tolist()[-1] == 9
    assert varied[:2] == [0, 9]


def test_any_twenty_places_keep_to_the_caps_of_sellers_and_categories():
    snapshot = snapshot_of(120, sellers=30, categories=12)
    order = diversified_order(
        snapshot, ranked_of(snapshot), replace(BY_RELEVANCE, seller_cap=1, category_cap=2)
    )
    for start in range(len(order) - 20):
        rows = order[start : start + 20]
        assert np.bincount(snapshot.attributes["seller_id"][rows]).max() <= 1
        assert np.bincount(snapshot.attributes["category_id"][rows]).max() <= 2


def test_a_diversified_order_has_the_length_of_a_slate_and_includes_the_kept_rows():
    snapshot = snapshot_of(store.MAX_SLATE_LENGTH + 50)
    kept = np.zeros(snapshot.row_count, bool)
    kept[[210, 240]] = True
    order = diversified_order(snapshot, ranked_of(snapshot), BY_RELEVANCE, kept=kept)
    assert len(order) == store.MAX_SLATE_LENGTH
    assert {210, 240} <= set(order.tolist())
    assert set(range(store.MAX_SLATE_LENGTH - 2)) <= set(order.tolist())


def test_one_of_the_listings_with_the_same_photo_is_shown():
    snapshot = snapshot_of(6)
    groups = np.array([-1, 5, -1, 5, 5, -1])
    order = diversified_order(snapshot, ranked_of(snapshot), BY_RELEVANCE, duplicates=groups)
    assert order.tolist() == [0, 1, 2, 5]


def test_a_listing_without_a_score_comes_last():
    snapshot = snapshot_of(4)
    ranked = replace(ranked_of(snapshot), score=np.array([1, np.nan, -3, -5], np.float32))
    assert diversified_order(snapshot, ranked, BY_RELEVANCE).tolist() == [0, 2, 3, 1]


def test_diversifying_an_empty_ranking_gives_an_empty_order():
    snapshot = load()
    assert diversified_order(snapshot, ranked_of(snapshot), FeedParameters()).tolist() == []


def test_a_seller_of_hundreds_of_the_best_listings_does_not_fill_the_slate():
    snapshot = snapshot_of(500, sellers=1000)
    snapshot.attributes["seller_id"][:300] = 0
    order = diversified_order(snapshot, ranked_of(snapshot), replace(BY_RELEVANCE, seller_cap=3))
    for start in range(len(order) - 20):
        assert (snapshot.attributes["seller_id"][order[start : start + 20]] == 0).sum() <= 3


class TestInterests:
    """Listings of two touched categories; those of the first have all the best scores."""

    @pytest.fixture
    def snapshot(self):
        snapshot = snapshot_of(80)
        snapshot.attributes["category_id"] = np.repeat([1, 2], 40)
        return snapshot

    @pytest.fixture
    def calibration(self):
        kinds = np.repeat([0, 1], 40)
        return Calibration(np.array([0.5, 0.5]), kinds, np.eye(2), strength=1.0)

    def test_each_interest_has_its_share_of_the_first_page_and_of_the_next(self, snapshot, calibration):
        order = diversified_order(snapshot, ranked_of(snapshot), BY_RELEVANCE, calibration=calibration)
        for page in (order[:18], order[18:38]):
            assert np.isin(page, np.arange(40)).mean() == pytest.approx(0.5, abs=0.12)

    def test_the_first_page_is_in_the_order_of_relevance(self, snapshot, calibration):
        order = diversified_order(snapshot, ranked_of(snapshot), BY_RELEVANCE, calibration=calibration)
        assert order[:18].tolist() == sorted(order[:18].tolist())

    def test_an_interest_beyond_the_best_two_hundred_is_in_the_slate(self):
        snapshot = snapshot_of(store.MAX_SLATE_LENGTH + 20)
        kinds = np.repeat([0, 1], [store.MAX_SLATE_LENGTH, 20])
        calibration = Calibration(np.array([0.9, 0.1]), kinds, np.eye(2), strength=1.0)
        order = diversified_order(snapshot, ranked_of(snapshot), BY_RELEVANCE, calibration=calibration)
        assert (order >= store.MAX_SLATE_LENGTH).sum() == 20
