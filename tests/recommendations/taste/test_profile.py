"""Profiles read from an actor's events, over a made-up model; the feed's own tests cover their effect."""

from datetime import timedelta

import numpy as np
import pytest

from listings.announcing import catalogue_transaction
from listings.models import Actor
from recommendations.interactions.weights import EVENT_WEIGHTS, PROFILE_HALF_LIFE
from recommendations.taste.profile import LAST_EVENTS, read_profile
from tests import factories
from tests.recommendations.small_world import load, model


@pytest.fixture
def sofas(alice):
    with catalogue_transaction():
        return [factories.listing(alice, f"Blue sofa {number}") for number in range(4)]


@pytest.fixture
def snapshot(sofas):
    """Who touched the first goes on to the second, who touched the third to the fourth."""
    first, second, third, fourth = (sofa.pk for sofa in sofas)
    factors = {first: (1, 0), second: (1, 0), third: (0, 1), fourth: (0, 1)}
    trained = model(factors, {first: {second: 1.0}, third: {fourth: 1.0}})
    return load(*((sofa.pk, 0) for sofa in sofas)).with_collaborative(trained)


def weights_of(profile) -> dict[int, float]:
    return dict(zip(profile.listing_ids.tolist(), profile.weights.tolist(), strict=True))


class TestAtAnEarlierTime:
    def test_a_profile_at_an_earlier_time_leaves_out_later_events(self, bob, sofas, snapshot, now, ago):
        factories.event(bob, sofas[0], at=ago(hours=3))
        factories.event(bob, sofas[1], "favourite", at=ago(hours=1))
        assert read_profile(bob, snapshot, now=now).listing_ids.tolist() == [sofas[1].pk, sofas[0].pk]
        earlier = read_profile(bob, snapshot, now=ago(hours=2))
        assert earlier.listing_ids.tolist() == [sofas[0].pk]
        assert earlier.seen == {sofas[0].pk}

    def test_a_profile_at_an_earlier_time_heeds_no_later_hide(self, bob, sofas, snapshot, now, ago):
        factories.event(bob, sofas[0], at=ago(hours=3))
        factories.event(bob, sofas[0], "hide", at=ago(hours=1))
        assert read_profile(bob, snapshot, now=now).event_weight == 0
        assert read_profile(bob, snapshot, now=ago(hours=2)).event_weight > 0

    def test_an_event_at_the_time_of_the_profile_counts(self, bob, sofas, snapshot, now):
        factories.event(bob, sofas[0], at=now)
        assert weights_of(read_profile(bob, snapshot, now=now)) == {sofas[0].pk: EVENT_WEIGHTS["view"]}

    def test_weights_of_a_profile_at_an_earlier_time_are_those_of_that_time(self, bob, sofas, snapshot, now):
        factories.event(bob, sofas[0], at=now - PROFILE_HALF_LIFE)
        assert weights_of(read_profile(bob, snapshot, now=now))[sofas[0].pk] == pytest.approx(0.5, rel=1e-3)
        then = read_profile(bob, snapshot, now=now - PROFILE_HALF_LIFE + timedelta(seconds=1))
        assert weights_of(then)[sofas[0].pk] == pytest.approx(1, rel=1e-3)


class TestTheLastEvents:
    def test_hidden_listings_take_no_place_among_the_last_events_of_a_profile(
        self, alice, bob, sofas, snapshot, now, ago
    ):
        liked = factories.listing(bob, "Oak table")
        factories.event(alice, liked, "favourite", at=ago(days=1))
        for number in range(LAST_EVENTS):
            factories.event(alice, sofas[number % 2], at=ago(minutes=number))
            factories.event(alice, factories.listing(bob), "hide", at=ago(minutes=number))
        assert set(weights_of(read_profile(alice, snapshot, now=now))) == {liked.pk}


class TestWhatTheModelSays:
    def test_covisited_scores_sum_neighbour_lists_by_kind_and_recency(self, bob, sofas, snapshot, now):
        factories.event(bob, sofas[0], "favourite", at=now)
        factories.event(bob, sofas[2], "favourite", at=now - PROFILE_HALF_LIFE)
        factories.event(bob, sofas[2], "view", at=now - PROFILE_HALF_LIFE)
        covisited = read_profile(bob, snapshot, now=now).covisited
        expected = [
            0,
            EVENT_WEIGHTS["favourite"],
            0,
            (EVENT_WEIGHTS["favourite"] + EVENT_WEIGHTS["view"]) / 2,
        ]
        assert covisited.tolist() == pytest.approx(expected, rel=1e-3)
        assert covisited.dtype == np.float32

    def test_the_factors_of_a_profile_are_folded_in_from_its_events(self, bob, sofas, snapshot, now):
        factories.event(bob, sofas[0], "favourite", at=now)
        factors = read_profile(bob, snapshot, now=now).factors
        assert factors[0] > 0.5 > abs(factors[1])

    def test_listings_outside_the_model_are_passed_over_in_the_fold_in(
        self, bob, alice, sofas, snapshot, now
    ):
        factories.event(bob, factories.listing(alice, "New"), at=now)
        nothing = read_profile(bob, snapshot, now=now)
        assert (nothing.factors, nothing.covisited) == (None, None)
        assert nothing.event_weight > 0
        factories.event(bob, sofas[0], at=now)
        assert read_profile(bob, snapshot, now=now).covisited.tolist() == [0, 1, 0, 0]

    def test_a_profile_without_a_model_or_an_actor_has_no_factors(self, bob, sofas, snapshot, now):
        factories.event(bob, sofas[0], at=now)
        alone = read_profile(bob, snapshot.with_collaborative(None), now=now)
        stranger = read_profile(None, snapshot, now=now)
        assert [alone.factors, alone.covisited, stranger.factors, stranger.covisited] == [None] * 4

    def test_events_of_a_merged_visitor_count_in_the_members_profile(self, bob, sofas, snapshot, now):
        visitor = Actor.objects.create(external_id="visitor-1", kind="visitor", merged_into=bob)
        factories.event(visitor, sofas[0], at=now)
        assert read_profile(bob, snapshot, now=now).covisited.argmax() == 1
