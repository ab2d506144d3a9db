from datetime import timedelta

import pytest

from listings.announcing import catalogue_transaction
from listings.models import Actor
from recommendations.taste.history import read_actor_history
from tests import factories
from tests.recommendations.offered import served


def fatigued(actor: Actor, *, after: int | None, now) -> set[int]:
    return set(read_actor_history(actor.pk, encoder_version="", now=now, rest_after=after).fatigued)


@pytest.fixture
def sofas(alice):
    with catalogue_transaction():
        return [factories.listing(alice, f"Sofa {number}") for number in range(3)]


def test_a_listing_shown_three_times_is_fatigued_for_a_day(bob, sofas, now, ago):
    for hours in (30, 20, 10):
        served(bob, sofas, ago(hours=hours), count=2)
    served(bob, sofas[:1], ago(hours=1))
    assert fatigued(bob, after=3, now=now) == {sofas[0].pk, sofas[1].pk}
    assert fatigued(bob, after=4, now=now) == {sofas[0].pk}
    assert fatigued(bob, after=3, now=now + timedelta(hours=15)) == {sofas[0].pk}
    assert fatigued(bob, after=3, now=now + timedelta(hours=23)) == set()


def test_a_listing_stays_fatigued_however_often_others_are_shown_meanwhile(bob, sofas, now, ago):
    for hours in (20, 19, 18):
        served(bob, sofas[:1], ago(hours=hours))
    for minutes in range(288):
        served(bob, sofas[1:2], ago(minutes=minutes))
    assert sofas[0].pk in fatigued(bob, after=3, now=now)


def test_impressions_of_another_actor_fatigue_nothing(bob, charlie, sofas, now, ago):
    for hours in (3, 2, 1):
        served(charlie, sofas, ago(hours=hours))
    assert fatigued(bob, after=3, now=now) == set()


def test_impressions_of_a_visitor_count_for_the_member_they_became(bob, charlie, sofas, now, ago):
    for actor, hours in ((charlie, 3), (bob, 2), (charlie, 1)):
        served(actor, sofas, ago(hours=hours))
    Actor.objects.filter(pk=charlie.pk).update(merged_into=bob)
    assert fatigued(bob, after=3, now=now) == {sofa.pk for sofa in sofas}


def test_nothing_is_fatigued_where_nothing_has_to_rest(bob, sofas, now, ago):
    served(bob, sofas, ago(hours=1))
    assert fatigued(bob, after=None, now=now) == set()


def test_fatigue_at_an_earlier_time_leaves_out_later_impressions(bob, sofas, now, ago):
    for hours in (3, 2, 1):
        served(bob, sofas, ago(hours=hours))
    assert fatigued(bob, after=3, now=ago(hours=1.5)) == set()
