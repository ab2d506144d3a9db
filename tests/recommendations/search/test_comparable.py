"""The price range of listings like the one that is about to be sold."""

from decimal import Decimal

import pytest

from recommendations.search import comparable
from recommendations.search.comparable import find_price_range
from tests import factories


@pytest.fixture
def priced(alice, impatient, follow):
    """Nine sofas from £10 to £90, and a bicycle."""
    for number in range(1, 10):
        factories.listing(alice, f"Blue sofa {number}", price=10 * number)
    factories.listing(alice, "Mountain bike", path="Sports / Bicycles", price=900)
    follow()


class TestPriceRange:
    def test_it_is_the_middle_half_of_what_comparable_listings_cost(self, priced, now):
        prices = find_price_range(words="sofa", photo=None, now=now)
        assert (prices.low, prices.median, prices.high) == (Decimal(30), Decimal(50), Decimal(70))
        assert len(prices.listings) == 9

    def test_too_few_comparable_listings_give_none(self, priced, now):
        assert comparable.LEAST_COMPARED > 1
        assert find_price_range(words="bike", photo=None, now=now) is None

    def test_nothing_to_go_by_gives_none(self, priced, now):
        assert find_price_range(words="  ", photo=None, now=now) is None
