"""Where a new listing stands among those similar to its nearest neighbour."""

from recommendations.similar.standing import find_standing
from tests import factories


def test_a_listing_without_a_vector_or_without_neighbours_has_no_standing(alice, follow):
    alone = factories.listing(alice, "Blue sofa")
    assert find_standing(alone) is None
    follow()
    assert find_standing(alone) is None


def test_the_nearest_listing_is_named_with_the_place_beside_it(alice, follow):
    old = factories.listing(alice, "Blue sofa with cushions")
    factories.listing(alice, "Mountain bike with gears")
    new = factories.listing(alice, "Blue sofa with cushions, hardly used")
    follow()
    standing = find_standing(new)
    assert (standing.neighbour, standing.place) == (old, 1)
    assert standing.around[0].listing == new
