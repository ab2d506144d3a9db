from dataclasses import replace

import numpy as np
import pytest

from listings import queries, services
from listings.models import Listing, Photo
from recommendations.ranking import photo_duplicates
from recommendations.ranking.photo_duplicates import fold_copies
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.slates.results import Item
from tests import factories
from tests.recommendations.pictures import (
    BLANK,
    FOUR_BITS_OFF,
    OTHER_SCENE,
    SCENE,
    THREE_BITS_OFF,
    hashed,
    saved,
    scene,
)


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


@pytest.fixture
def item_of(alice):
    """`item_of(hash, ...)` is a result item with photos of these hashes."""
    return lambda *hashes: Item(hashed(factories.listing(alice), *hashes), 1.0, {})


def folded(items: list[Item]) -> list[tuple[str, tuple[str, ...]]]:
    return [(item.listing.external_id, item.copies) for item in items]


def names(*items: Item) -> tuple[str, ...]:
    return tuple(item.listing.external_id for item in items)


class TestGrouping:
    def test_an_item_with_the_same_photo_is_folded_into_the_earlier_one(self, item_of):
        first, other, again = item_of(SCENE), item_of(OTHER_SCENE), item_of(SCENE)
        assert folded(fold_copies([first, other, again])) == [
            (first.listing.external_id, names(again)),
            (other.listing.external_id, ()),
        ]

    def test_hashes_that_differ_in_three_bits_fold_and_in_four_do_not(self, item_of):
        first, near, far = item_of(SCENE), item_of(THREE_BITS_OFF), item_of(FOUR_BITS_OFF)
        grouped = fold_copies([first, near, far])
        assert folded(grouped) == [(first.listing.external_id, names(near)), (far.listing.external_id, ())]

    def test_one_equal_photo_of_several_is_enough_to_fold(self, item_of):
        first, again = item_of(OTHER_SCENE, SCENE), item_of("0f1e2d3c4b5a6978", SCENE)
        assert folded(fold_copies([first, again])) == [(first.listing.external_id, names(again))]

    def test_photos_of_one_listing_that_are_alike_fold_nothing(self, item_of):
        assert folded(fold_copies([item_of(SCENE, SCENE)]))[0][1] == ()

    def test_a_folded_item_draws_no_other_items_in(self, item_of):
        """Otherwise a chain of near photos could fold two that are not near."""
        first, bridge, last = item_of(SCENE), item_of(SCENE, OTHER_SCENE), item_of(OTHER_SCENE)
        assert [item.listing for item in fold_copies([first, bridge, last])] == [first.listing, last.listing]

    def test_listings_without_photos_are_not_folded(self, item_of):
        items = [item_of(), item_of(), item_of(SCENE)]
        assert fold_copies(items) == items
        assert fold_copies([]) == []

    @pytest.mark.parametrize("plain", [BLANK, "0000000000000000", "ffffffffffffffff", "8000800080008000", ""])
    def test_blank_photos_fold_nothing(self, item_of, plain):
        assert len(fold_copies([item_of(plain), item_of(plain)])) == 2

    def test_a_photo_that_many_listings_show_folds_nothing_by_its_hash_alone(self, item_of):
        assert (
            len(fold_copies([item_of(SCENE) for _ in range(photo_duplicates.COMMON + 1)]))
            == photo_duplicates.COMMON + 1
        )
        assert len(fold_copies([item_of(SCENE) for _ in range(photo_duplicates.COMMON)])) == 1

    def test_folding_items_with_prefetched_photos_takes_no_query(self, item_of, django_assert_num_queries):
        items = [item_of(SCENE), item_of(SCENE)]
        with django_assert_num_queries(0):
            fold_copies(items)


class TestGroupingByLook:
    """The vectors of the snapshot confirm a pair of near hashes, or rule it out."""

    def items_of(self, *listings: Listing) -> list[Item]:
        return [Item(queries.visible().get(pk=listing.pk), 1.0, {}) for listing in listings]

    @pytest.fixture
    def stock(self, alice, encoder):
        """More listings with the same photo and words than COMMON."""
        listings = [
            factories.listing(alice, "Corner sofa, velvet") for _ in range(photo_duplicates.COMMON + 1)
        ]
        for number, listing in enumerate(listings):
            factories.add_picture(listing, saved(scene(1), quality=80 + number))
        return listings

    def test_listings_with_the_same_photo_and_words_fold_into_one_item(self, stock, follow):
        grouped = fold_copies(self.items_of(*stock), follow())
        assert [len(item.copies) for item in grouped] == [photo_duplicates.COMMON]

    def test_a_placeholder_photo_does_not_fold_listings_of_different_things(self, stock, follow):
        for number, title in enumerate(("Mountain bike", "Piano", "Garden gnome", "Ladder", "Kettle")):
            services.edit_listing(listing=stock[number], title=title)
        assert len(fold_copies(self.items_of(*stock), follow())) == len(stock)

    def test_equal_hashes_do_not_fold_listings_whose_photo_vectors_differ(self, alice, encoder, follow):
        one, other = factories.listing(alice), factories.listing(alice)
        for listing in (one, other):
            factories.add_picture(listing, saved(scene(listing.pk)))
        Photo.objects.update(perceptual_hash=SCENE)
        snapshot = follow()
        items = self.items_of(one, other)
        assert len(fold_copies(items, snapshot)) == 1  # with random weights all photos have similar features
        assert len(fold_copies(items, of_other_looks(snapshot))) == 2


def of_other_looks(snapshot: CatalogueSnapshot) -> CatalogueSnapshot:
    """The snapshot with a look for each listing that is orthogonal to all others."""
    columns = snapshot.columns()
    look = snapshot.comparison.blocks.slices[0]
    vectors = columns.vectors.copy()
    vectors[:, look] = np.eye(len(vectors), look.stop - look.start)
    return CatalogueSnapshot.load(
        snapshot.encoder_version, snapshot.comparison.blocks, replace(columns, vectors=vectors), None, 0
    )
