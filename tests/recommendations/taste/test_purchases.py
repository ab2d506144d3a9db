from datetime import timedelta

import pytest

from listings.announcing import catalogue_transaction
from recommendations.taste.profile import LAST_EVENTS, read_profile
from recommendations.taste.purchases import SATISFIED_FOR
from tests import factories
from tests.recommendations.small_world import load

SOFAS = "Home & Garden / Sofas"


def satisfied(actor, now) -> set[int]:
    return set(read_profile(actor, load(), now=now).satisfied)


@pytest.fixture
def sofa(alice):
    return factories.listing(alice, path=SOFAS)


def test_a_purchase_satisfies_its_category_for_a_while(bob, charlie, sofa, now, ago):
    factories.event(bob, sofa, "purchase", at=ago(days=1))
    assert satisfied(bob, now=now) == {sofa.category_id}
    assert satisfied(charlie, now=now) == set()
    assert satisfied(bob, now=now + SATISFIED_FOR) == set()


def test_a_view_after_the_purchase_ends_the_satisfaction(alice, bob, sofa, now, ago):
    other = factories.listing(alice, "Red sofa", path=SOFAS)
    factories.event(bob, sofa, "purchase", at=ago(days=2))
    factories.event(bob, other, "view", at=ago(days=1))
    assert satisfied(bob, now=now) == set()
    assert satisfied(bob, now=now - timedelta(hours=36)) == {sofa.category_id}


def test_events_in_other_categories_do_not_hide_a_purchase_or_a_later_view(alice, bob, sofa, now, ago):
    factories.event(bob, sofa, "purchase", at=ago(days=2))
    with catalogue_transaction():
        elsewhere = [factories.listing(alice, f"Bicycle {n}", path="Sports / Bicycles") for n in range(4)]
    for number in range(LAST_EVENTS):
        factories.event(bob, elsewhere[number % 4], at=ago(minutes=number))
    assert satisfied(bob, now=now) == {sofa.category_id}
    factories.event(bob, factories.listing(alice, "Red sofa", path=SOFAS), at=ago(days=1))
    assert satisfied(bob, now=now) == set()


def test_a_purchase_in_a_root_category_satisfies_nothing(alice, bob, now, ago):
    thing = factories.listing(alice, "Thing with a plug", path="Electronics")
    factories.event(bob, thing, "purchase", at=ago(days=1))
    assert satisfied(bob, now=now) == set()
