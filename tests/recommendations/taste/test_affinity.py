"""Affinity and nearness of listings to those that an actor touched."""

from decimal import Decimal

import numpy as np
import pytest

from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.taste import affinity
from recommendations.taste.affinity import MarketCounts
from recommendations.taste.category_paths import paths_of
from recommendations.taste.profile import read_profile
from tests import factories

LEEDS = {"latitude": 53.8, "longitude": -1.55}
YORK = {"latitude": 53.96, "longitude": -1.08}
BATH = {"latitude": 51.38, "longitude": -2.36}
BIKES = "Sports / Bicycles"


@pytest.fixture
def catalogue(alice, encoder):
    return {
        "touched": factories.listing(alice, "Oak table", price=50, **LEEDS),
        "like it": factories.listing(alice, "Pine table", price=60, **YORK),
        "dear": factories.listing(alice, "Walnut table", price=900, **BATH),
        "nowhere": factories.listing(alice, "Glass table", price=50),
        "free": factories.listing(alice, "Old table", price=Decimal(0), **LEEDS),
        "bicycle": factories.listing(alice, "Bicycle", path=BIKES, price=900, **LEEDS),
    }


@pytest.fixture
def did(now):
    return lambda who, what, kind="view": factories.event(who, what, kind, at=now)


@pytest.fixture
def profile_of(follow, now):
    return lambda actor: read_profile(actor, follow(), now=now)


def by_name(scores: np.ndarray, catalogue, snapshot: CatalogueSnapshot) -> dict[str, float]:
    rows = snapshot.rows_of(np.array([listing.pk for listing in catalogue.values()]))
    return dict(zip(catalogue, scores[rows].tolist(), strict=True))


def affinities(profile, catalogue, snapshot: CatalogueSnapshot) -> dict[str, float]:
    return by_name(
        affinity.scores(profile.touched, snapshot, np.arange(snapshot.row_count)), catalogue, snapshot
    )


class TestAffinity:
    def test_affinity_is_highest_for_the_same_category_at_a_similar_price(
        self, bob, catalogue, did, profile_of, follow
    ):
        did(bob, catalogue["touched"])
        scores = affinities(profile_of(bob), catalogue, follow())
        assert scores["like it"] > scores["dear"] > scores["bicycle"]
        assert np.isfinite(scores["free"])

    def test_affinity_joins_price_and_category_of_each_touched_listing(
        self, bob, catalogue, did, profile_of, follow
    ):
        """Who looked at a cheap table and a dear bicycle looks for no dear tables."""
        did(bob, catalogue["touched"])
        did(bob, catalogue["bicycle"])
        scores = affinities(profile_of(bob), catalogue, follow())
        assert scores["bicycle"] > scores["dear"]

    def test_listings_that_are_plentiful_on_the_market_share_one_vote(
        self, alice, bob, catalogue, did, profile_of, follow
    ):
        did(bob, catalogue["touched"])
        did(bob, catalogue["bicycle"])
        before = affinities(profile_of(bob), catalogue, follow())
        for number in range(20):
            factories.listing(alice, f"Table {number}", price=55)
        after = affinities(profile_of(bob), catalogue, follow())
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


class TestPlaces:
    def test_nearer_listings_have_higher_place_scores_and_those_without_coordinates_none(
        self, bob, catalogue, did, profile_of, follow
    ):
        did(bob, catalogue["touched"])
        snapshot = follow()
        scores = by_name(
            profile_of(bob).location_profile.place_scores(snapshot, np.arange(snapshot.row_count)),
            catalogue,
            snapshot,
        )
        assert scores["free"] > scores["like it"] > scores["dear"]
        assert np.isnan(scores["nowhere"])


def test_an_actor_without_events_has_no_affinity_or_place_scores(bob, catalogue, profile_of, follow):
    snapshot, profile = follow(), profile_of(bob)
    rows = np.arange(snapshot.row_count)
    assert np.isnan(affinity.scores(profile.touched, snapshot, rows)).all()
    assert np.isnan(profile.location_profile.place_scores(snapshot, rows)).all()


def test_a_short_category_path_repeats_its_end_and_a_new_category_is_read(catalogue):
    office = factories.category("Home & Garden / Chairs / Office")
    home, chairs = (factories.category(path) for path in ("Home & Garden", "Home & Garden / Chairs"))
    assert paths_of(np.array([office.pk, home.pk])).tolist() == [
        [home.pk, chairs.pk, office.pk],
        [home.pk] * 3,
    ]
    new = factories.category("Toys / Trains")
    assert paths_of(np.array([new.pk])).tolist() == [[factories.category("Toys").pk, new.pk, new.pk]]


def test_a_retracted_favourite_leaves_the_affinity_profile(bob, catalogue, did, profile_of):
    did(bob, catalogue["touched"], "favourite")
    assert len(profile_of(bob).touched.shares) == 1
    did(bob, catalogue["touched"], "unfavourite")
    assert len(profile_of(bob).touched.shares) == 0
