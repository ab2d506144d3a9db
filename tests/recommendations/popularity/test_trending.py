import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from listings.announcing import catalogue_transaction
from listings.models import Actor
from recommendations.popularity import trending
from tests import factories


def top_ids() -> list[int]:
    return trending.top()[0].tolist()


def visitors(count: int) -> list[Actor]:
    return [Actor.objects.create(external_id=Actor.new_visitor_id(), kind="visitor") for _ in range(count)]


@pytest.fixture
def bike(alice):
    return factories.listing(alice, "Bike", path="Sports / Bicycles")


@pytest.mark.django_db(transaction=True)
class TestTrending:
    def test_a_listing_with_stronger_events_trends_higher(self, bob, sofa, bike, now):
        factories.event(bob, sofa, "view")
        factories.event(bob, bike, "favourite")
        trending.roll_up(now=now)
        assert top_ids() == [bike.pk, sofa.pk]

    def test_each_event_counts_once_however_often_trending_is_rolled_up(self, bob, sofa, bike, now):
        for _ in range(3):
            factories.event(bob, sofa)
        factories.event(bob, bike)
        for _ in range(4):
            trending.roll_up(now=now)
        scores = trending.top()[1]
        assert scores[1] == pytest.approx(1 / 3, rel=1e-3)

    def test_a_backfill_of_old_events_does_not_change_what_trends_now(self, bob, sofa, bike, now, ago):
        factories.event(bob, bike)
        trending.roll_up(now=now)
        for _ in range(100):
            factories.event(bob, sofa, "favourite", at=ago(days=30))
        trending.roll_up(now=now)
        assert top_ids()[0] == bike.pk

    def test_trending_is_rebuilt_after_redis_was_emptied(self, bob, sofa, bike, now):
        factories.event(bob, sofa)
        trending.roll_up(now=now)
        before = trending.top()
        trending.client().flushdb()
        assert top_ids() == []
        trending.roll_up(now=now)
        assert top_ids() == before[0].tolist()

    def test_trending_is_rebased_before_the_numbers_overflow(self, bob, sofa, now):
        factories.event(bob, sofa)
        trending.roll_up(now=now - 2 * trending.REBASE_AFTER)
        trending.roll_up(now=now)
        assert top_ids() == [sofa.pk]

    def test_events_of_sellers_do_not_make_their_own_listings_trend(self, alice, bob, sofa, bike, now):
        for _ in range(50):
            factories.event(alice, sofa)
        factories.event(bob, bike)
        trending.roll_up(now=now)
        assert top_ids() == [bike.pk]

    @pytest.mark.parametrize("kind", ["view", "favourite", "purchase", "message"])
    def test_a_crowd_of_newcomers_adds_at_most_a_capped_amount(self, bob, charlie, sofa, bike, now, kind):
        factories.event(bob, bike, "favourite", at=now)
        factories.event(charlie, bike, "view", at=now)
        for visitor in visitors(40):
            factories.event(visitor, sofa, kind, at=now)
        trending.roll_up(now=now)
        expected = trending.NEWCOMER_CAP / 5
        assert top_ids() == [bike.pk, sofa.pk]
        assert trending.top()[1].tolist() == pytest.approx([1, expected])
        assert trending.top_at(now)[1].tolist() == pytest.approx([1, expected])

    def test_newcomers_who_come_one_by_one_add_no_more_than_a_crowd(self, bob, charlie, sofa, bike, now):
        factories.event(bob, bike, "favourite", at=now)
        factories.event(charlie, bike, "view", at=now)
        for visitor in visitors(8):
            factories.event(visitor, sofa, "click", at=now)
            trending.roll_up(now=now)
        assert trending.top()[1].tolist() == pytest.approx([1, trending.NEWCOMER_CAP / 5], rel=1e-3)

    def test_events_of_members_count_beyond_those_of_newcomers(self, bob, charlie, sofa, bike, now):
        for visitor in visitors(8):
            factories.event(visitor, sofa, "click", at=now)
            factories.event(visitor, bike, "click", at=now)
        factories.event(bob, sofa, at=now)
        trending.roll_up(now=now)
        expected = trending.NEWCOMER_CAP / (trending.NEWCOMER_CAP + 1)
        assert trending.top()[1].tolist() == pytest.approx([1, expected])

    def test_visitors_whose_first_day_is_over_count_as_members_do(self, bob, sofa, bike, now, ago):
        known = visitors(10)
        Actor.objects.filter(kind="visitor").update(created_at=ago(hours=25))
        for visitor in known:
            factories.event(visitor, sofa, "click", at=now)
        factories.event(bob, bike, "favourite", at=now)
        trending.roll_up(now=now)
        assert trending.top()[1].tolist() == pytest.approx([1, 4 / 15])

    def test_what_a_newcomer_takes_back_makes_room_under_the_cap(self, bob, sofa, bike, now):
        first = visitors(1)[0]
        factories.event(bob, bike, "purchase", at=now)
        for _ in range(2):
            factories.event(first, sofa, "favourite")
            trending.roll_up(now=timezone.now())
            assert trending.top()[1].tolist() == pytest.approx([1, 0.5], rel=1e-3)
            factories.event(first, sofa, "unfavourite")
            trending.roll_up(now=timezone.now())
            assert top_ids() == [bike.pk]

    def test_trending_does_not_miss_an_event_that_commits_late(self, bob, sofa, bike, now):
        """Its id is older than that of one which was counted already."""
        started, finish = threading.Event(), threading.Event()

        def slow():
            with transaction.atomic():
                factories.event(bob, sofa)
                started.set()
                finish.wait(10)
            connection.close()

        thread = threading.Thread(target=slow)
        thread.start()
        started.wait(10)
        factories.event(bob, bike)
        trending.roll_up(now=timezone.now())
        finish.set()
        thread.join()
        trending.roll_up(now=timezone.now())
        assert set(top_ids()) == {sofa.pk, bike.pk}

    def test_an_anonymous_feed_begins_with_what_trends(self, anyone, bob, alice, follow, now):
        with catalogue_transaction():
            sofas = [factories.listing(alice, f"Blue sofa {number}") for number in range(12)]
        for _ in range(5):
            factories.event(bob, sofas[7], "favourite")
        trending.roll_up(now=now)
        follow()
        first = anyone.get("/api/v1/feed/").json()["items"][0]
        assert first["listing"]["id"] == sofas[7].external_id
