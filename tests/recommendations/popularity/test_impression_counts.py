import pytest

from recommendations.models import slates
from recommendations.models.doubts import Doubt
from recommendations.models.slates import Exposure, Slate
from recommendations.popularity import impression_counts
from tests import factories
from tests.recommendations.offered import clicked, served


@pytest.fixture
def sofas(alice, ago):
    return [factories.listing(alice, f"Sofa {number}", created_at=ago(hours=2)) for number in range(3)]


def counts() -> dict[int, tuple[int, int]]:
    return {row.listing_id: (row.impressions, row.clicks) for row in Exposure.objects.all()}


@pytest.mark.django_db(transaction=True)
class TestRollUp:
    def test_what_was_served_counts_and_what_would_have_come_after_it_does_not(self, bob, sofas, now):
        served(bob, sofas, now, count=2)
        assert impression_counts.roll_up(now=now) == 2
        assert counts() == {sofas[0].pk: (1, 0), sofas[1].pk: (1, 0)}

    def test_each_page_counts_once_however_often_it_is_rolled_up(self, bob, charlie, sofas, now):
        for actor in (bob, charlie):
            served(actor, sofas[:1], now)
            for _ in range(2):
                impression_counts.roll_up(now=now)
        assert counts() == {sofas[0].pk: (2, 0)}

    def test_nobody_uses_up_the_showings_of_another_by_searching_or_unknown_or_in_a_hurry(
        self, bob, charlie, sofas, now
    ):
        served(None, sofas, now)
        served(bob, sofas, now, surface=Slate.Surface.SEARCH)
        Doubt.objects.create(actor=charlie, reason="haste", share=0, found_at=now)
        served(charlie, sofas, now)
        impression_counts.roll_up(now=now)
        assert counts() == {}

    def test_a_look_and_a_favourite_out_of_one_slate_are_one_click(self, bob, sofas, now):
        slate = served(bob, sofas, now)
        impression_counts.roll_up(now=now)
        clicked(bob, sofas[1], slate, now)
        impression_counts.roll_up(now=now)
        clicked(bob, sofas[1], slate, now, "favourite")
        impression_counts.roll_up(now=now)
        assert counts()[sofas[1].pk] == (1, 1)

    def test_a_click_that_names_somebody_elses_slate_is_none(self, bob, charlie, sofas, now):
        slate = served(bob, sofas, now)
        clicked(charlie, sofas[1], slate, now)
        impression_counts.roll_up(now=now)
        assert counts()[sofas[1].pk] == (1, 0)

    def test_a_click_out_of_a_search_or_a_strangers_feed_is_none_of_a_feed(self, bob, charlie, sofas, now):
        served(bob, sofas, now)
        clicked(bob, sofas[0], served(bob, sofas, now, surface=Slate.Surface.SEARCH), now)
        clicked(charlie, sofas[1], served(None, sofas, now), now)
        impression_counts.roll_up(now=now)
        assert set(counts().values()) == {(1, 0)}

    def test_what_came_from_elsewhere_is_no_click(self, bob, sofas, now):
        served(bob, sofas, now)
        factories.event(bob, sofas[0])
        impression_counts.roll_up(now=now)
        assert counts()[sofas[0].pk] == (1, 0)

    def test_an_old_listing_is_not_counted_and_forgotten_when_it_grows_old(self, alice, bob, sofas, now, ago):
        old = factories.listing(alice, "Old sofa", created_at=ago(days=30))
        served(bob, [old, *sofas], now)
        impression_counts.roll_up(now=now)
        assert old.pk not in counts()
        assert impression_counts.prune(now=now) == 0
        assert impression_counts.prune(now=now + impression_counts.YOUNG) == 3

    def test_after_the_counts_and_the_position_were_lost_all_is_counted_again(self, bob, sofas, now):
        served(bob, sofas, now)
        impression_counts.roll_up(now=now)
        before = counts()
        slates.ReaderPosition.objects.all().delete()
        impression_counts.roll_up(now=now)
        assert counts() == before


class TestCounted:
    SHOWN = impression_counts.ImpressionCounts.of([(7, 100, 30), (9, 50, 0)])

    def test_knows_what_was_shown_and_nothing_of_the_rest(self):
        impressions, clicks = self.SHOWN.of_listings(factories.ids(9, 8, 7))
        assert (impressions.tolist(), clicks.tolist()) == ([50, 0, 100], [0, 0, 30])

    def test_popularity_is_the_rate_to_expect(self):
        liked, unknown, disliked = self.SHOWN.popularity(factories.ids(7, 8, 9))
        assert liked > disliked
        assert unknown != unknown

    def test_where_nothing_was_shown_nothing_is_known(self):
        assert impression_counts.NO_IMPRESSIONS.of_listings(factories.ids(1))[0].tolist() == [0]
