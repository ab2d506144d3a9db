from datetime import timedelta

import pytest

from recommendations.satisfied import LASTS, satisfied_categories
from tests import factories

SOFAS = "Home & Garden / Sofas"


@pytest.fixture
def sofa(alice):
    return factories.listing(alice, path=SOFAS)


def test_who_bought_a_sofa_looks_for_no_other_for_a_while(bob, charlie, sofa, now, ago):
    factories.event(bob, sofa, "purchase", at=ago(days=1))
    assert satisfied_categories([bob.pk], now=now) == {sofa.category_id}
    assert satisfied_categories([charlie.pk], now=now) == set()
    assert satisfied_categories([bob.pk], now=now + LASTS) == set()


def test_who_looks_at_another_one_is_not_satisfied(alice, bob, sofa, now, ago):
    other = factories.listing(alice, "Red sofa", path=SOFAS)
    factories.event(bob, sofa, "purchase", at=ago(days=2))
    factories.event(bob, other, "view", at=ago(days=1))
    assert satisfied_categories([bob.pk], now=now) == set()
    assert satisfied_categories([bob.pk], now=now - timedelta(hours=36)) == {sofa.category_id}


def test_a_root_category_is_no_kind_of_thing(alice, bob, now, ago):
    thing = factories.listing(alice, "Thing with a plug", path="Electronics")
    factories.event(bob, thing, "purchase", at=ago(days=1))
    assert satisfied_categories([bob.pk], now=now) == set()
