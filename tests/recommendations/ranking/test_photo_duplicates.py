import numpy as np
import pytest

from recommendations.ranking import photo_duplicates
from tests import factories
from tests.recommendations.pictures import saved, scene


@pytest.fixture
def picture():
    return saved(scene(1))


def groups_of(snapshot, listings) -> list[int]:
    rows = snapshot.rows_of(factories.ids(*[listing.pk for listing in listings]))
    return photo_duplicates.photo_groups(snapshot, rows).tolist()


def test_listings_with_the_same_photo_share_a_group_and_others_have_none(alice, bob, follow, picture):
    listings = [
        factories.listing(seller, title)
        for seller, title in [(alice, "Blue sofa"), (bob, "A blue sofa"), (alice, "Bicycle"), (alice, "Lamp")]
    ]
    for same in listings[:2]:
        factories.add_picture(same, picture)
    factories.add_picture(listings[2], saved(scene(2)))
    first, second, bicycle, lamp = groups_of(follow(), listings)
    assert first == second >= 0
    assert (bicycle, lamp) == (-1, -1)


def test_a_photo_that_many_show_groups_only_listings_with_similar_words(alice, follow, picture):
    """A dealer's picture before every listing does not hide the dealer's other goods."""
    goods = ["Oak table", "Desk lamp", "Mountain bike", "Winter coat", "Pram", "Guitar"]
    listings = [factories.listing(alice, title) for title in goods]
    for listing in listings:
        factories.add_picture(listing, picture)
    assert len(listings) > photo_duplicates.COMMON
    assert set(groups_of(follow(), listings)) == {-1}


def test_photo_groups_of_no_rows_are_empty(follow):
    assert photo_duplicates.photo_groups(follow(), np.empty(0, np.int64)).tolist() == []
