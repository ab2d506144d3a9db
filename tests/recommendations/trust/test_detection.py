"""Doubts: events of actors faster than a person change only their own feed."""

import pytest
from django.utils import timezone

from listings.models import Actor
from recommendations.collaborative import refresh, store
from recommendations.collaborative.history import read_history
from recommendations.models.doubts import Doubt
from recommendations.models.events import Interaction
from recommendations.popularity import trending
from recommendations.taste.profile import read_profile
from recommendations.training import collaborative
from recommendations.trust import detection
from tests import factories
from tests.recommendations.flooding import MAXIMUM, floods, limit_events
from tests.recommendations.small_world import load


@pytest.fixture(autouse=True)
def few_are_many(settings):
    limit_events(settings)


def hottest() -> list[int]:
    trending.roll_up(now=timezone.now())
    return trending.top()[0].tolist()


class TestQuarantine:
    def test_only_actors_above_the_daily_limit_of_events_are_quarantined(self, bob, charlie, sofas, now):
        floods(bob, sofas[0])
        floods(charlie, sofas[0], MAXIMUM)
        assert detection.detect_hasty(now=now) == [bob.pk]
        doubt = Doubt.objects.get()
        assert (doubt.actor, doubt.share, doubt.reason) == (bob, 0, "haste")
        assert doubt.evidence.startswith("21 events on 20")
        assert read_history(until=timezone.now()).actors.tolist() == [charlie.pk]

    def test_events_of_different_days_are_not_added_up(self, bob, sofas, ago, now):
        floods(bob, sofas[0], MAXIMUM, at=ago(days=2))
        floods(bob, sofas[0], MAXIMUM, at=ago(days=4))
        assert detection.detect_hasty(now=now) == []

    def test_events_before_the_given_day_are_not_counted_again(self, bob, sofas, ago, now):
        floods(bob, sofas[0], at=ago(days=2))
        assert detection.detect_hasty(now=now, since=ago(days=1)) == []
        assert detection.detect_hasty(now=now, since=ago(days=2)) == [bob.pk]

    def test_events_of_a_merged_visitor_count_towards_the_members_limit(self, bob, sofas, now):
        visitor = Actor.objects.create(external_id="visitor-1", kind="visitor", merged_into=bob)
        floods(bob, sofas[0], MAXIMUM // 2 + 1)
        floods(visitor, sofas[0], MAXIMUM // 2)
        assert detection.detect_hasty(now=now) == [bob.pk]
        assert not len(read_history(until=timezone.now()))

    def test_a_limit_of_zero_quarantines_nobody(self, bob, sofas, now, settings):
        limit_events(settings, 0)
        floods(bob, sofas[0])
        assert detection.detect_hasty(now=now) == []

    def test_an_actor_whom_staff_released_is_not_quarantined(self, bob, sofas, now):
        Doubt.objects.create(actor=bob, reason="likeness", share=0.5, decision="released")
        floods(bob, sofas[0])
        assert detection.detect_hasty(now=now) == []
        assert read_history(until=timezone.now()).actors.tolist() == [bob.pk]

    def test_an_actor_who_counted_less_counts_nothing_once_quarantined(self, bob, sofas, now):
        Doubt.objects.create(actor=bob, reason="likeness", share=0.5)
        floods(bob, sofas[0])
        assert detection.detect_hasty(now=now) == [bob.pk]
        assert not len(read_history(until=timezone.now()))

    def test_events_of_a_quarantined_actor_are_kept_and_shape_their_own_profile(self, bob, sofas, now):
        floods(bob, sofas[0])
        detection.detect_hasty(now=now)
        assert Interaction.objects.count() == MAXIMUM + 1
        assert read_profile(bob, load(), now=now).listing_ids.tolist() == [sofas[0].pk]


@pytest.mark.django_db(transaction=True)
class TestEffectOnOthers:
    def test_trending_leaves_out_an_actor_as_soon_as_they_exceed_the_limit(self, bob, charlie, sofas):
        floods(bob, sofas[0], MAXIMUM)
        factories.event(charlie, sofas[1])
        assert hottest() == [sofas[0].pk, sofas[1].pk]
        floods(bob, sofas[2], 1)
        assert hottest() == [sofas[1].pk]

    def test_trending_counts_an_actor_again_when_staff_release_them(self, bob, charlie, sofas, now):
        floods(bob, sofas[0])
        assert hottest() == []
        detection.decide(Doubt.objects.all(), decision="released", by="staff", now=now)
        assert hottest() == [sofas[0].pk]
        floods(bob, sofas[0])
        assert hottest() == [sofas[0].pk], "they are not doubted again"

    @pytest.fixture
    def quick_shoppers(self, shoppers, settings):
        """Simulated shoppers make more events in a day than the limit that these tests set."""
        limit_events(settings, 200)

    def test_a_training_learns_nothing_from_a_quarantined_actor(self, quick_shoppers, bob):
        sofa = Interaction.objects.first().listing
        floods(bob, sofa, 201)
        collaborative.train_collaborative(now=timezone.now())
        assert bob.pk not in store.load_counted(store.active()).actor_ids

    def test_a_refresh_removes_a_quarantined_actor_from_the_model(self, quick_shoppers, bob):
        listings = [each.listing for each in Interaction.objects.order_by("pk")[:40:10]]
        for listing in listings[:2]:
            factories.event(bob, listing)
        collaborative.train_collaborative(now=timezone.now())
        assert bob.pk in store.load_counted(store.active()).actor_ids
        floods(bob, listings[2], 201)
        refresh.refresh_collaborative(now=timezone.now())
        assert bob.pk not in store.load_counted(store.active()).actor_ids


class TestCircles:
    def test_doubts_of_circles_are_detected_anew_except_those_that_staff_decided(
        self, bob, charlie, alice, now
    ):
        Doubt.objects.create(actor=bob, reason="likeness", share=0.5)
        Doubt.objects.create(actor=charlie, reason="likeness", share=0.5, decision="upheld")
        Doubt.objects.create(actor=alice, reason="likeness", share=0.5, decision="released")
        assert detection.detect_circles(now=now) == 0
        assert set(Doubt.objects.values_list("actor", flat=True)) == {charlie.pk, alice.pk}
