from datetime import timedelta

import pytest

from recommendations.satisfied import LASTS
from recommendations.taste import read_taste
from tests import factories
from tests.recommendations.small_world import load

SOFAS = "Home & Garden / Sofas"


def satisfied(actor, now) -> set[int]:
    return set(read_taste(actor, load(), now=now).satisfied)


@pytest.fixture
def sofa(alice):
    return factories.listing(alice, path=SOFAS)


def test_who_bought_a_sofa_looks_for_no_other_for_a_while(bob, charlie, sofa, now, ago):
    factories.event(bob, sofa, "purchase", at=ago(days=1))
    assert satisfied(bob, now=now) == {sofa.category_id}
    assert satisfied(charlie, now=now) == set()
    assert satisfied(bob, now=now + LASTS) == set()


def test_who_looks_at_another_one_is_not_satisfied(alice, bob, sofa, now, ago):
    other = factories.listing(alice, "Red sofa", path=SOFAS)
    factories.event(bob, sofa, "purchase", at=ago(days=2))
    factories.event(bob, other, "view", at=ago(days=1))
    assert satisfied(bob, now=now) == set()
    assert satisfied(bob, now=now - timedelta(hours=36)) == {sofa.category_id}


def test_a_root_category_is_no_kind_of_thing(alice, bob, now, ago):
    thing = factories.listing(alice, "Thing with a plug", path="Electronics")
    factories.event(bob, thing, "purchase", at=ago(days=1))
    assert satisfied(bob, now=now) == set()
