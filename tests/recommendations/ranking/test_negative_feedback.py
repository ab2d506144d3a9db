from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from listings.announcing import catalogue_transaction
from recommendations.feed.pipeline import FeedContext
from recommendations.ranking.negative_feedback import MAX_PENALTY, penalties
from recommendations.taste.profile import read_profile
from tests import factories
from tests.recommendations.small_world import load, taste, words

SOFAS, BIKES = 0, 1


@pytest.fixture
def snapshot():
    return load((1, SOFAS), (2, BIKES), (3, SOFAS), (4, BIKES))


def averse(snapshot, *unwanted: int):
    return replace(taste(snapshot, {}), unwanted=np.array([words(kind) for kind in unwanted], np.float32))


def test_listings_like_a_hidden_one_get_a_penalty_and_others_none(snapshot):
    pushed = penalties(snapshot, averse(snapshot, SOFAS), np.arange(4))
    assert pushed.tolist() == pytest.approx([MAX_PENALTY, 0, MAX_PENALTY, 0], abs=1e-2)


def test_an_actor_who_hid_nothing_gives_no_penalties(snapshot):
    assert penalties(snapshot, taste(snapshot, {}), np.arange(4)).tolist() == [0, 0, 0, 0]


def test_a_hidden_listing_without_a_vector_gives_no_penalties(snapshot):
    unknown = replace(averse(snapshot), unwanted=np.zeros((1, snapshot.dimension), np.float32))
    assert penalties(snapshot, unknown, np.arange(4)).tolist() == [0, 0, 0, 0]


def test_hiding_one_sofa_ranks_the_other_sofas_lower(alice, bob, encoder, follow, now):
    kinds = ["Blue three seater sofa", "Mountain bike with gears"]
    with catalogue_transaction():
        listings = [factories.listing(alice, f"{kinds[number % 2]} {number}") for number in range(12)]
    factories.event(bob, listings[0], "hide", at=now - timedelta(hours=1))
    snapshot = follow()
    ids = snapshot.attributes["listing_id"]
    context = FeedContext(snapshot, now, read_profile(bob, snapshot, now=now))
    rows = context.candidates.rows
    pushed = penalties(snapshot, context.profile, rows)
    is_sofa = np.isin(ids[rows], [listing.pk for listing in listings[::2]])
    assert pushed[is_sofa].min() > pushed[~is_sofa].max()
    assert set(ids[context.feed[:6]].tolist()) == {listing.pk for listing in listings[1::2]}
