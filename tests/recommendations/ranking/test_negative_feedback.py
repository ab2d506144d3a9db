from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from recommendations.feed.pipeline import FeedContext
from recommendations.ranking.negative_feedback import MAX_PENALTY, penalties
from recommendations.taste.profile import read_profile
from tests import factories
from tests.recommendations.small_world import load, taste, words

SOFAS, BIKES = 0, 1


@pytest.fixture
def view():
    return load((1, SOFAS), (2, BIKES), (3, SOFAS), (4, BIKES))


def averse(view, *unwanted: int):
    return replace(taste(view, {}), unwanted=np.array([words(kind) for kind in unwanted], np.float32))


def test_listings_like_a_hidden_one_get_a_penalty_and_others_none(view):
    pushed = penalties(view, averse(view, SOFAS), np.arange(4))
    assert pushed.tolist() == pytest.approx([MAX_PENALTY, 0, MAX_PENALTY, 0], abs=1e-2)


def test_an_actor_who_hid_nothing_gives_no_penalties(view):
    assert penalties(view, taste(view, {}), np.arange(4)).tolist() == [0, 0, 0, 0]


def test_a_hidden_listing_without_a_vector_gives_no_penalties(view):
    unknown = replace(averse(view), unwanted=np.zeros((1, view.dimension), np.float32))
    assert penalties(view, unknown, np.arange(4)).tolist() == [0, 0, 0, 0]


def test_hiding_one_sofa_ranks_the_other_sofas_lower(alice, bob, encoder, follow, now):
    kinds = ["Blue three seater sofa", "Mountain bike with gears"]
    listings = [factories.listing(alice, f"{kinds[number % 2]} {number}") for number in range(12)]
    factories.event(bob, listings[0], "hide", at=now - timedelta(hours=1))
    view = follow()
    ids = view.attributes["listing_id"]
    asked = FeedContext(view, now, read_profile(bob, view, now=now))
    rows = asked.candidates.rows
    pushed = penalties(view, asked.profile, rows)
    is_sofa = np.isin(ids[rows], [listing.pk for listing in listings[::2]])
    assert pushed[is_sofa].min() > pushed[~is_sofa].max()
    assert set(ids[asked.feed[:6]].tolist()) == {listing.pk for listing in listings[1::2]}
