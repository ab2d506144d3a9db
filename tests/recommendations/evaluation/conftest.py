"""A past to evaluate recommendation methods on."""

import pytest

from recommendations.collaborative.history import read_history
from recommendations.evaluation.baselines import EvaluationContext
from tests.recommendations.past import Past


@pytest.fixture
def past(alice, encoder, ago) -> Past:
    return Past(alice, encoder, ago(days=1))


@pytest.fixture
def three(past):
    """Two actors touched the first listing, one the second, none the third, which Bob is going to touch too.

    Their words point three ways; the later ones are newer.
    """
    first, second, third = (past.listing(hours=-48 + place, direction=place) for place in range(3))
    past.event("xavier", first, hours=-3)
    past.event("yvonne", first, hours=-3)
    past.event("zoe", second, hours=-3)
    past.event("bob", second, hours=1)
    past.event("bob", third, hours=1)
    return first, second, third


def known(past, trained=None) -> EvaluationContext:
    return EvaluationContext(past.world().with_collaborative(trained), read_history(until=past.moment))
