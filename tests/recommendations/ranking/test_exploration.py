"""Exploration of listings that few have seen, on a world of made-up vectors."""

from datetime import UTC, datetime

import numpy as np

from recommendations.popularity.impression_counts import YOUNG, ImpressionCounts
from recommendations.ranking.exploration import (
    FIRST_PAGE,
    PROMISE_PERIOD,
    PROMISED_IMPRESSIONS,
    explore_order,
    most_underexposed,
)
from recommendations.ranking.scoring import rank
from recommendations.retrieval.candidates import gather
from tests.recommendations.small_world import load, taste

NOW = datetime(2026, 3, 2, tzinfo=UTC)
HOUR_S = 3600


def snapshot_of(ages_h: list[float]):
    """Listings 1, 2, 3 ... of these ages, each of a seller of its own."""
    snapshot = load(*[(number, number % 4) for number in range(1, len(ages_h) + 1)])
    snapshot.attributes["seller_id"] = np.arange(len(ages_h))
    snapshot.attributes["created_at"] = [NOW.timestamp() - age * HOUR_S for age in ages_h]
    return snapshot


def ranked_of(snapshot):
    profile = taste(snapshot, {})
    return rank(gather(snapshot, profile, snapshot.alive, now=NOW), profile)


def explored_of(snapshot, shown, *, share=0.1, seed=0, ranked=None, seller_cap=3):
    ranked = ranked or ranked_of(snapshot)
    explored = explore_order(
        snapshot,
        ranked,
        np.arange(len(ranked.rows)),
        shown,
        behind=most_underexposed(snapshot, shown, snapshot.alive, now=NOW),
        share=share,
        seller_cap=seller_cap,
        now=NOW,
        rng=np.random.default_rng(seed),
    )
    return ranked, explored


class TestMostUnderexposed:
    def test_listings_that_waited_long_and_were_shown_little_are_the_most_underexposed(self):
        snapshot = snapshot_of([1, 10, 20, 20])
        shown = ImpressionCounts.of([(3, 45, 0)])
        assert most_underexposed(snapshot, shown, snapshot.alive, now=NOW).tolist() == [3, 1, 0, 2]
        assert most_underexposed(snapshot, shown, snapshot.alive, now=NOW, count=2).tolist() == [3, 1]

    def test_old_disallowed_and_sufficiently_shown_listings_are_not_underexposed(self):
        snapshot = snapshot_of([1, 1, YOUNG.total_seconds() / HOUR_S + 1, 1])
        shown = ImpressionCounts.of([(1, PROMISED_IMPRESSIONS, 0)])
        allowed = np.array([True, True, True, False])
        assert most_underexposed(snapshot, shown, allowed, now=NOW).tolist() == [1]

    def test_only_the_longest_waiting_listing_of_a_seller_is_underexposed(self):
        snapshot = snapshot_of([1, 10, 20, 5])
        snapshot.attributes["seller_id"] = [1, 1, 1, 2]
        assert most_underexposed(snapshot, ImpressionCounts.of([]), snapshot.alive, now=NOW).tolist() == [
            2,
            3,
        ]

    def test_a_listing_is_owed_no_more_impressions_than_were_promised(self):
        snapshot = snapshot_of([6 * 24, 20])
        shown = ImpressionCounts.of([(1, PROMISED_IMPRESSIONS - 1, 0)])
        assert most_underexposed(snapshot, shown, snapshot.alive, now=NOW).tolist() == [1, 0]


class TestExploreOrder:
    def test_the_given_share_of_places_goes_to_rarely_shown_listings(self):
        old = YOUNG.total_seconds() / HOUR_S + 1
        snapshot = snapshot_of([1] * 24 + [old] * 16)  # the new come first
        ranked, explored = explored_of(snapshot, ImpressionCounts.of([]))
        assert explored.places.tolist() == [9, 19, 29, 39]
        chosen = snapshot.attributes["listing_id"][ranked.rows[explored.order[explored.places]]]
        young_beyond = snapshot.attributes["listing_id"][ranked.rows[FIRST_PAGE:24]]
        assert sorted(chosen) == sorted(young_beyond)

    def test_exploration_draws_from_beyond_the_first_page_and_keeps_its_order(self):
        _, explored = explored_of(snapshot_of([1] * 60), ImpressionCounts.of([]))
        by_relevance = np.delete(explored.order, explored.places)
        assert by_relevance[:18].tolist() == list(range(18))
        assert explored.order[explored.places].min() >= FIRST_PAGE

    def test_the_longest_waiting_listing_of_a_seller_is_drawn_from_before_their_more_relevant_ones(self):
        snapshot = snapshot_of([1] * 20 + [2] * 19 + [20])  # the new come first
        snapshot.attributes["seller_id"][20:] = 99
        ranked, explored = explored_of(snapshot, ImpressionCounts.of([]))
        pool = snapshot.attributes["listing_id"][ranked.rows[explored.order[explored.pool]]]
        assert pool.tolist() == [40]

    def test_exploration_draws_none_of_a_seller_at_their_cap_on_the_first_page(self):
        snapshot = snapshot_of([1] * 20 + [2] * 20)
        snapshot.attributes["seller_id"][[0, 1, 2, 30]] = 99
        snapshot.attributes["seller_id"][[3, 4, 31]] = 98
        ranked, explored = explored_of(snapshot, ImpressionCounts.of([]), seller_cap=3)
        pool = snapshot.attributes["listing_id"][ranked.rows[explored.order[explored.pool]]]
        assert 31 not in pool
        assert 32 in pool

    def test_exploration_draws_from_all_sellers_where_there_are_few(self):
        snapshot = snapshot_of([1] * 40)
        snapshot.attributes["seller_id"] = np.arange(40) % 2
        _, explored = explored_of(snapshot, ImpressionCounts.of([]), seller_cap=3)
        assert len(explored.places)

    def test_exploration_shows_every_listing_exactly_once(self):
        _, explored = explored_of(snapshot_of([1] * 50), ImpressionCounts.of([]), share=0.2)
        assert sorted(explored.order) == list(range(50))

    def test_explored_places_carry_their_propensities_and_the_pool(self):
        _, explored = explored_of(snapshot_of([1] * 30), ImpressionCounts.of([]))
        by_chance = np.isin(np.arange(30), explored.places)
        assert (explored.propensities[~by_chance] == 1).all()
        assert ((explored.propensities[by_chance] > 0) & (explored.propensities[by_chance] < 0.5)).all()
        assert set(explored.places) <= set(explored.pool)
        assert explored.to_json()["explored"]["places"] == explored.places.tolist()

    def test_exploration_without_a_share_or_without_unseen_listings_keeps_the_order(self):
        snapshot = snapshot_of([1] * 20)
        seen = ImpressionCounts.of([(number, PROMISED_IMPRESSIONS, 0) for number in range(1, 21)])
        for shown, share in [(ImpressionCounts.of([]), 0.0), (seen, 0.5)]:
            _, explored = explored_of(snapshot, shown, share=share)
            assert explored.order.tolist() == list(range(20))
            assert (explored.propensities == 1).all()
            assert explored.to_json() == {}

    def test_the_same_seed_gives_the_same_explored_order(self):
        snapshot = snapshot_of([1] * 40)
        first, again, other = (
            explored_of(snapshot, ImpressionCounts.of([]), seed=seed)[1].order for seed in (1, 1, 2)
        )
        assert first.tolist() == again.tolist() != other.tolist()

    def test_a_listing_with_a_higher_click_rate_is_drawn_more_often(self):
        snapshot = snapshot_of([1] * 40)
        shown = ImpressionCounts.of([(number, 40, 12 if number == 7 else 0) for number in range(1, 41)])
        first = [explored_of(snapshot, shown, share=0.05, seed=seed) for seed in range(20)]
        chosen = [
            int(snapshot.attributes["listing_id"][ranked.rows[explored.order[explored.places[0]]]])
            for ranked, explored in first
        ]
        assert chosen.count(7) > 15


def test_every_new_listing_gets_its_promised_impressions_in_time_if_traffic_allows():
    """Besides a first page, 40 are owed 2,000 showings: at two places a page, 1,000 pages are just enough."""
    snapshot = snapshot_of([0.0] * 60)
    impressions, rng, ranked = np.zeros(60, np.int64), np.random.default_rng(5), ranked_of(snapshot)
    ids = snapshot.attributes["listing_id"]
    pages = 1100  # over a day
    for page in range(pages):
        snapshot.attributes["created_at"] = NOW.timestamp() - PROMISE_PERIOD.total_seconds() * page / pages
        shown = ImpressionCounts.of(list(zip(ids.tolist(), impressions.tolist(), [0] * 60, strict=True)))
        _, explored = explored_of(snapshot, shown, seed=int(rng.integers(2**31)), ranked=ranked)
        impressions[ranked.rows[explored.order[:FIRST_PAGE]]] += 1
    assert impressions.min() >= PROMISED_IMPRESSIONS
