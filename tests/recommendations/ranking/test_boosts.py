from datetime import timedelta, timezone

import numpy as np
import pytest

from recommendations.models.boosts import Boost, BoostChange
from recommendations.ranking import boosts
from tests import factories
from tests.recommendations.boosted import HOUR, boost
from tests.recommendations.small_world import load

SOFAS, GARDEN = "Home & Garden / Sofas", "Home & Garden"


@pytest.fixture
def three(alice, bob):
    """Alice's sofa, Bob's sofa, Alice's bicycle."""
    return [
        factories.listing(alice),
        factories.listing(bob),
        factories.listing(alice, "Mountain bike", path="Sports / Bicycles"),
    ]


@pytest.fixture
def factors_at(three):
    """factors_at(now): of the three in this order."""
    snapshot = load(*((listing.pk, 0) for listing in three))
    snapshot.attributes["seller_id"] = [listing.seller_id for listing in three]
    snapshot.attributes["category_id"] = [listing.category_id for listing in three]
    rows = np.arange(3)

    def read_factors(now, rows=rows):
        return boosts.factors(snapshot, rows, boosts.active(now))

    return read_factors


class TestFactors:
    def test_factors_without_boosts_are_one(self, factors_at, now):
        factors = factors_at(now)
        assert factors.dtype == np.float32
        assert factors.tolist() == [1, 1, 1]

    @pytest.mark.parametrize(
        ("target", "expected"),
        [("listing", [2, 1, 1]), ("seller", [2, 1, 2]), ("category", [2, 2, 1])],
    )
    def test_a_boost_holds_for_its_listing_seller_or_category(self, three, factors_at, now, target, expected):
        first = three[0]
        boost(now, **{target: {"listing": first, "seller": first.seller, "category": first.category}[target]})
        assert factors_at(now).tolist() == expected

    def test_boost_factors_are_those_of_the_given_rows(self, three, factors_at, now):
        boost(now, listing=three[2])
        assert factors_at(now, np.array([2, 0, 2])).tolist() == [2, 1, 2]
        assert factors_at(now, np.empty(0, np.int64)).shape == (0,)

    def test_a_boost_of_a_category_holds_for_those_below_it_and_not_beside_it(self, three, factors_at, now):
        beside = factories.category("Home & Garden (trade) / Sofas")
        boost(now, 5, category=beside)
        boost(now, 7, category=factories.category("Home"))
        boost(now, 3, category=factories.category(GARDEN))
        boost(now, 2, category=factories.category(SOFAS))
        assert factors_at(now).tolist() == [6, 6, 1]

    def test_several_boosts_of_one_listing_multiply(self, three, factors_at, now, alice):
        boost(now, 2, listing=three[0])
        boost(now, 3, listing=three[0])
        boost(now, 0.5, seller=alice)
        assert factors_at(now).tolist() == [3, 1, 0.5]

    def test_the_product_of_boosts_is_clipped_and_not_each_factor(self, three, factors_at, now, alice):
        for _ in range(2):
            boost(now, 8, listing=three[0])
            boost(now, 0.125, seller=alice)
            boost(now, 8, listing=three[1])
        np.testing.assert_allclose(factors_at(now), [1, 10, 0.1])

    def test_a_boost_holds_from_its_start_until_just_before_its_end(self, three, factors_at, now):
        boost(now, hours=(0, 1), listing=three[0])
        moments = [now - timedelta(seconds=2), now, now + HOUR - timedelta(seconds=2), now + HOUR]
        assert [factors_at(at)[0] for at in moments] == [1, 2, 2, 1]


class TestReading:
    def test_boosts_are_read_from_the_database_once_a_second(self, three, now, django_assert_num_queries):
        boost(now, listing=three[0])
        with django_assert_num_queries(1):
            boosts.active(now)
            boosts.active(now + timedelta(seconds=0.9))
        with django_assert_num_queries(1):
            boosts.active(now + timedelta(seconds=1))

    def test_boosts_of_an_earlier_time_are_read_anew(self, three, factors_at, now):
        boost(now, listing=three[0])
        assert factors_at(now)[0] == 2
        assert factors_at(now - 3 * HOUR)[0] == 1

    def test_boosts_of_categories_take_one_more_query_however_many(
        self, three, now, django_assert_num_queries
    ):
        for path in (SOFAS, GARDEN, "Sports / Bicycles"):
            boost(now, category=factories.category(path))
        with django_assert_num_queries(2):
            boosts.active(now)


class TestHistory:
    def test_the_history_of_a_boost_keeps_every_change_and_outlives_it(self, alice, now):
        kept = boost(now, seller=alice)
        kept.factor, kept.note = 3.0, "more"
        boosts.save_boost(kept, by="tom", now=now)
        key = kept.pk
        boosts.delete_boost(kept, by="una", now=now)
        added, changed, removed = BoostChange.objects.filter(boost_id=key).order_by("pk")
        assert [(each.action, each.by) for each in (added, changed, removed)] == [
            ("added", "sue"),
            ("changed", "tom"),
            ("removed", "una"),
        ]
        assert added.before is None and removed.after is None
        assert (added.after["seller"], added.after["factor"]) == ("alice", 2)
        assert (changed.before["factor"], changed.after["factor"], changed.after["note"]) == (2, 3, "more")
        assert changed.after == removed.before

    def test_saving_a_boost_unchanged_adds_nothing_to_its_history(self, alice, now):
        kept = boost(now, seller=alice)
        kept.starts_at = kept.starts_at.astimezone(timezone(3 * HOUR))  # the same time, as a form has it
        boosts.save_boost(kept, by="tom", now=now)
        assert BoostChange.objects.count() == 1

    def test_saving_a_boost_again_keeps_its_author_and_time(self, alice, now):
        kept = boost(now, seller=alice)
        boosts.save_boost(kept, by="tom", now=now)
        kept.refresh_from_db()
        assert (kept.created_by, kept.created_at) == ("sue", now - 2 * HOUR)

    def test_removing_a_boost_twice_adds_one_removal_to_its_history(self, alice, now):
        kept = boost(now, seller=alice)
        copy = Boost.objects.get(pk=kept.pk)
        boosts.delete_boost(kept, by="tom", now=now)
        boosts.delete_boost(copy, by="tom", now=now)
        assert BoostChange.objects.filter(action="removed").count() == 1
