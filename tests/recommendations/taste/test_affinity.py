"""Affinity of listings to those that an actor touched."""

import numpy as np
import pytest

from listings.announcing import catalogue_transaction
from recommendations.taste import affinity
from recommendations.taste.affinity import MarketCounts
from tests import factories


@pytest.fixture
def affinities_of(by_name, profile_of, follow):
    """affinities_of(actor): the affinity score of each listing of the catalogue by name."""

    def scored(actor) -> dict[str, float]:
        profile, snapshot = profile_of(actor), follow()
        rows = np.arange(snapshot.row_count)
        vectors = snapshot.vectors(rows).astype(np.float32)
        return by_name(affinity.scores(profile.touched, snapshot, rows, vectors), snapshot)

    return scored


class TestAffinity:
    def test_affinity_is_highest_for_the_same_category_at_a_similar_price(
        self, bob, catalogue, did, affinities_of
    ):
        did(bob, catalogue["touched"])
        scores = affinities_of(bob)
        assert scores["like it"] > scores["dear"] > scores["bicycle"]
        assert np.isfinite(scores["free"])

    def test_affinity_joins_price_and_category_of_each_touched_listing(
        self, bob, catalogue, did, affinities_of
    ):
        """Who looked at a cheap table and a dear bicycle looks for no dear tables."""
        did(bob, catalogue["touched"])
        did(bob, catalogue["bicycle"])
        scores = affinities_of(bob)
        assert scores["bicycle"] > scores["dear"]

    def test_listings_that_are_plentiful_on_the_market_share_one_vote(
        self, alice, bob, catalogue, did, affinities_of
    ):
        did(bob, catalogue["touched"])
        did(bob, catalogue["bicycle"])
        before = affinities_of(bob)
        with catalogue_transaction():
            for number in range(20):
                factories.listing(alice, f"Table {number}", price=55)
        after = affinities_of(bob)
        assert after["like it"] < before["like it"] - 1
        assert after["bicycle"] == pytest.approx(before["bicycle"], abs=0.3)

    def test_a_touched_listing_counts_once_and_fades_within_days(
        self, bob, catalogue, profile_of, follow, ago
    ):
        factories.event(bob, catalogue["touched"], "purchase", at=ago(days=4))
        factories.event(bob, catalogue["bicycle"], "view", at=ago(hours=1))
        touched = profile_of(bob).touched
        assert sorted(touched.shares.tolist()) == pytest.approx([0.06, 0.94], abs=0.005)

    def test_market_counts_cover_each_depth_of_the_category_tree(self, catalogue, follow):
        snapshot = follow()
        market = MarketCounts.of(snapshot)
        sofas, home = (factories.category(path).pk for path in ("Home & Garden / Sofas", "Home & Garden"))
        assert market.everywhere.sum() == len(catalogue)
        assert market.below(0, np.array([home])).sum() == 5
        assert market.below(2, np.array([sofas, home])).sum(axis=1).tolist() == [5, 0]


def test_an_actor_without_events_has_no_affinity_or_place_scores(bob, catalogue, profile_of, follow):
    snapshot, profile = follow(), profile_of(bob)
    rows = np.arange(snapshot.row_count)
    assert np.isnan(affinity.scores(profile.touched, snapshot, rows, snapshot.vectors(rows))).all()
    assert np.isnan(profile.location_profile.place_scores(snapshot, rows)).all()


def test_a_retracted_favourite_leaves_the_affinity_profile(bob, catalogue, did, profile_of):
    did(bob, catalogue["touched"], "favourite")
    assert len(profile_of(bob).touched.shares) == 1
    did(bob, catalogue["touched"], "unfavourite")
    assert len(profile_of(bob).touched.shares) == 0
