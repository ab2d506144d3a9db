"""What a person keeps and viewed last, also of the visitor they were before."""

import pytest

from listings.models import Actor
from recommendations.interactions.own_listings import favourites_among, favourites_of, viewed_by
from tests import factories


@pytest.fixture
def lamp(alice):
    return factories.listing(alice, "Red lamp")


class TestFavourites:
    def test_the_last_favourite_comes_first_and_one_taken_back_is_none(self, bob, sofa, lamp, ago):
        factories.event(bob, lamp, "favourite", at=ago(hours=3))
        factories.event(bob, sofa, "favourite", at=ago(hours=2))
        assert favourites_of(bob, limit=5) == [sofa.pk, lamp.pk]
        factories.event(bob, sofa, "unfavourite", at=ago(hours=1))
        assert favourites_of(bob, limit=5) == [lamp.pk]
        assert favourites_among(bob, [sofa.pk, lamp.pk]) == {lamp.pk}

    def test_nobody_in_particular_has_none(self, sofa):
        assert favourites_of(None, limit=5) == [] == viewed_by(None, limit=5)
        assert favourites_among(None, [sofa.pk]) == frozenset()


class TestViews:
    def test_each_listing_is_named_once_by_its_last_view(self, bob, sofa, lamp, ago):
        for what, hours in ((sofa, 4), (lamp, 3), (sofa, 2)):
            factories.event(bob, what, "view", at=ago(hours=hours))
        assert viewed_by(bob, limit=5) == [sofa.pk, lamp.pk]
        assert viewed_by(bob, limit=1) == [sofa.pk]

    def test_what_a_visitor_viewed_belongs_to_the_member_and_own_listings_do_not(
        self, alice, bob, sofa, lamp
    ):
        visitor = Actor.objects.create(external_id="visitor-1", kind="visitor", merged_into=bob)
        factories.event(visitor, lamp, "click")
        factories.event(alice, sofa, "view")
        assert viewed_by(bob, limit=5) == [lamp.pk]
        assert viewed_by(alice, limit=5) == []
