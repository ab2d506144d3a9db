import pytest

from listings.announcing import catalogue_transaction
from listings.models import Actor
from recommendations.models import slates
from recommendations.models.doubts import Doubt
from recommendations.models.slates import Exposure, Slate
from recommendations.popularity import impression_counts
from tests import factories
from tests.recommendations.offered import clicked, served


@pytest.fixture
def sofas(alice, ago):
    with catalogue_transaction():
        return [factories.listing(alice, f"Sofa {number}", created_at=ago(hours=2)) for number in range(3)]


def counts() -> dict[int, tuple[int, int]]:
    return {row.listing_id: (row.impressions, row.clicks) for row in Exposure.objects.all()}


@pytest.mark.django_db(transaction=True)
class TestRollUp:
    def test_impressions_count_the_served_listings_and_not_the_rest_of_the_slate(self, bob, sofas, now):
        served(bob, sofas, now, count=2)
        assert impression_counts.roll_up(now=now) == 2
        assert counts() == {sofas[0].pk: (1, 0), sofas[1].pk: (1, 0)}

    def test_each_page_counts_once_however_often_impressions_are_rolled_up(self, bob, charlie, sofas, now):
        for actor in (bob, charlie):
            served(actor, sofas[:1], now)
            for _ in range(2):
                impression_counts.roll_up(now=now)
        assert counts() == {sofas[0].pk: (2, 0)}

    def test_searches_anonymous_feeds_and_doubted_actors_count_no_impressions(self, bob, charlie, sofas, now):
        served(None, sofas, now)
        served(bob, sofas, now, surface=Slate.Surface.SEARCH)
        Doubt.objects.create(actor=charlie, reason="haste", share=0, found_at=now)
        served(charlie, sofas, now)
        impression_counts.roll_up(now=now)
        assert counts() == {}

    @pytest.mark.parametrize("is_little_by_little", [True, False])
    def test_showings_to_one_person_count_up_to_the_rest(self, bob, charlie, sofas, now, is_little_by_little):
        visitor = Actor.objects.create(external_id="visitor-1", kind="visitor", merged_into=bob)
        for number in range(60):
            served(visitor if number % 2 else bob, sofas[:1], now)
            if is_little_by_little and number % 20 == 0:
                impression_counts.roll_up(now=now)
        served(charlie, sofas[:1], now)
        impression_counts.roll_up(now=now)
        assert counts() == {sofas[0].pk: (impression_counts.MOST_OF_ACTOR + 1, 0)}

    def test_showings_to_visitors_on_their_first_day_do_not_count(self, sofas, now, ago):
        for number in range(9):
            visitor = Actor.objects.create(external_id=f"visitor-{number}", kind="visitor")
            clicked(visitor, sofas[0], served(visitor, sofas[:1], now), now)
        impression_counts.roll_up(now=now)
        assert counts() == {}
        Actor.objects.filter(kind="visitor").update(created_at=ago(hours=25))
        served(visitor, sofas[:1], now)
        impression_counts.roll_up(now=now)
        assert counts() == {sofas[0].pk: (1, 0)}

    @pytest.mark.parametrize(
        ("filters", "count"),
        [
            ({"category": 1}, 0),
            ({"min_price": "49", "max_price": "51"}, 0),
            ({"lat": 53.8, "lon": -1.5, "radius_km": 1}, 0),
            ({"lat": 53.8, "lon": -1.5}, 1),
            ({}, 1),
        ],
        ids=str,
    )
    def test_showings_by_a_filter_that_leaves_hardly_anything_else_do_not_count(
        self, bob, sofas, now, filters, count
    ):
        served(bob, sofas[:1], now, parameters={"filters": filters})
        impression_counts.roll_up(now=now)
        assert sum(impressions for impressions, _ in counts().values()) == count

    def test_showings_by_a_filter_that_leaves_much_count(self, alice, bob, now):
        many = [factories.listing(alice, f"Sofa {number}") for number in range(21)]
        served(bob, many, now, parameters={"filters": {"category": 1}})
        assert impression_counts.roll_up(now=now) == 21

    def test_a_click_and_a_favourite_from_one_slate_are_one_click(self, bob, sofas, now):
        slate = served(bob, sofas, now)
        impression_counts.roll_up(now=now)
        clicked(bob, sofas[1], slate, now)
        impression_counts.roll_up(now=now)
        clicked(bob, sofas[1], slate, now, "favourite")
        impression_counts.roll_up(now=now)
        assert counts()[sofas[1].pk] == (1, 1)

    def test_a_click_that_names_the_slate_of_another_actor_does_not_count(self, bob, charlie, sofas, now):
        slate = served(bob, sofas, now)
        clicked(charlie, sofas[1], slate, now)
        impression_counts.roll_up(now=now)
        assert counts()[sofas[1].pk] == (1, 0)

    def test_a_click_from_a_search_or_an_anonymous_feed_does_not_count(self, bob, charlie, sofas, now):
        served(bob, sofas, now)
        clicked(bob, sofas[0], served(bob, sofas, now, surface=Slate.Surface.SEARCH), now)
        clicked(charlie, sofas[1], served(None, sofas, now), now)
        impression_counts.roll_up(now=now)
        assert set(counts().values()) == {(1, 0)}

    def test_a_view_without_a_slate_is_no_click(self, bob, sofas, now):
        served(bob, sofas, now)
        factories.event(bob, sofas[0])
        impression_counts.roll_up(now=now)
        assert counts()[sofas[0].pk] == (1, 0)

    def test_impressions_of_old_listings_are_not_counted_and_pruned(self, alice, bob, sofas, now, ago):
        old = factories.listing(alice, "Old sofa", created_at=ago(days=30))
        served(bob, [old, *sofas], now)
        impression_counts.roll_up(now=now)
        assert old.pk not in counts()
        assert impression_counts.prune(now=now) == 0
        assert impression_counts.prune(now=now + impression_counts.YOUNG) == 3

    def test_impressions_are_counted_again_after_the_reader_position_was_lost(self, bob, sofas, now):
        served(bob, sofas, now)
        impression_counts.roll_up(now=now)
        before = counts()
        slates.ReaderPosition.objects.all().delete()
        impression_counts.roll_up(now=now)
        assert counts() == before


class TestImpressionCounts:
    SHOWN = impression_counts.ImpressionCounts.of([(7, 100, 30), (9, 50, 0)])

    def test_impression_counts_of_listings_never_shown_are_zero(self):
        impressions, clicks = self.SHOWN.of_listings(factories.ids(9, 8, 7))
        assert (impressions.tolist(), clicks.tolist()) == ([50, 0, 100], [0, 0, 30])

    def test_popularity_is_higher_for_clicked_listings_and_unknown_without_impressions(self):
        liked, unknown, disliked = self.SHOWN.popularity(factories.ids(7, 8, 9))
        assert liked > disliked
        assert unknown != unknown

    def test_empty_impression_counts_are_zero_for_any_listing(self):
        assert impression_counts.NO_IMPRESSIONS.of_listings(factories.ids(1))[0].tolist() == [0]
