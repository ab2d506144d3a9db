"""Manipulation by shills: the gain of a promoted listing with and without the defence. All simulated."""

from contextlib import contextmanager

import pytest
from django.db import transaction

from recommendations.interactions.simulation import simulate
from recommendations.models.doubts import Doubt
from recommendations.slates import store
from recommendations.trust import detection, weighting
from tests import factories
from tests.recommendations.shills import Attack, Town, found
from tests.recommendations.slates.drafts import draft

NEVER_A_SLATE = "f" * 32


@pytest.fixture
def town(db, now) -> Town:
    return found(now)


@contextmanager
def undone():
    """Rolls back everything that happens in the block."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def lift_without_defence(town: Town, before: float) -> float:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weighting, "DAY_CAP", 1e9)
        patch.setattr(weighting, "FALSE_CLAIM", 1.0)
        return town.hit_rate() - before


def lift_with_defence(town: Town, before: float) -> float:
    detection.detect(now=town.now)
    return town.hit_rate() - before


def lifts(town: Town, share: float, attack: Attack) -> tuple[float, float]:
    """The gain in the target's hit rate at 20 among honest actors, without and with the defence."""
    before = town.hit_rate()
    with undone():
        town.attacked_by(share, attack)
        lifts = lift_without_defence(town, before), lift_with_defence(town, before)
    print(f"{share:.0%} shills, {attack}: lift {lifts[0]:.3f}, with the defence {lifts[1]:.3f}")
    return lifts


class TestShills:
    def test_the_defence_cuts_the_lift_of_three_percent_shills_to_a_third(self, town, record_property):
        """Below every limit and without claims: they interact with the target and with popular listings."""
        for share in (0.01, 0.03, 0.05):
            without, with_it = lifts(town, share, Attack())
            record_property(f"lift at {share:.0%}", (without, with_it))
            if share >= 0.03:
                assert without > 0.2
                assert with_it <= without / 3

    @pytest.mark.parametrize(
        "attack",
        [
            Attack(popular=2, among=5),
            Attack(popular=8, among=40),
            Attack(others=30),
            Attack(views=12),
        ],
        ids=["few listings each", "a wider choice", "with listings by chance", "many views"],
    )
    def test_the_defence_cuts_the_lift_to_a_third_when_shills_vary_their_behaviour(self, town, attack):
        without, with_it = lifts(town, 0.03, attack)
        assert without > 0.1
        assert with_it <= without / 3

    def test_shills_gain_nothing_by_claiming_slates_that_never_existed(self, town, monkeypatch):
        monkeypatch.setattr(detection, "detect", lambda now: None)
        without, with_it = lifts(town, 0.03, Attack(claim=NEVER_A_SLATE))
        assert without > 0.2
        assert with_it <= without / 10

    def test_true_claims_of_slates_do_not_save_shills_from_being_detected_as_alike(self, town, now):
        """Claims of a slate that was made for no actor."""
        shown = store.write(draft([listing.pk for listing in town.listings[-200:]]), now=now)
        store.log_impression(shown, offset=0, count=200, now=now)
        without, with_it = lifts(town, 0.03, Attack(claim=shown))
        assert with_it <= without / 3

    def test_honest_actors_are_accused_in_one_of_two_hundred_at_most(self, town):
        detection.detect(now=town.now)
        assert Doubt.objects.count() <= 0.005 * len(town.touched)

    def test_shoppers_of_the_demo_are_not_accused(self, alice, now):
        """Hundreds with few tastes among few listings are alike, and none of them colludes."""
        for number in range(60):
            factories.listing(alice, f"Sofa {number}", path=f"Things {number % 3} / Kind {number % 6}")
        simulate(shopper_count=100, seed=1, now=now)
        assert detection.detect_circles(now=now) == 0
