from dataclasses import replace

import numpy as np
import pytest

from listings import queries, services
from listings.announcing import catalogue_transaction
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


def foreign_copies_of(snapshot, listings) -> list[bool]:
    rows = snapshot.rows_of(factories.ids(*[listing.pk for listing in listings]))
    return photo_duplicates.foreign_copies(snapshot, rows).tolist()


def test_a_sellers_listings_with_the_same_photo_share_a_group_and_others_have_none(alice, follow, picture):
    listings = [factories.listing(alice, title) for title in ("Blue sofa", "A blue sofa", "Bicycle", "Lamp")]
    for same in listings[:2]:
        factories.add_picture(same, picture)
    factories.add_picture(listings[2], saved(scene(2)))
    first, second, bicycle, lamp = groups_of(follow(), listings)
    assert first == second >= 0
    assert (bicycle, lamp) == (-1, -1)


def test_a_photo_that_another_seller_had_first_makes_a_copy_and_no_group(alice, bob, follow, picture):
    stolen, own = factories.listing(bob, "Blue sofa"), factories.listing(alice, "Blue sofa")
    factories.add_picture(own, picture)  # first, though its listing is younger
    factories.add_picture(stolen, picture)
    snapshot = follow()
    assert groups_of(snapshot, [stolen, own]) == [-1, -1]
    assert foreign_copies_of(snapshot, [stolen, own]) == [True, False]
    assert foreign_copies_of(snapshot, [stolen]) == [False]  # the other is sold, say


def test_one_listing_with_the_photos_of_six_is_a_copy_and_the_six_stay(alice, bob, follow):
    chairs = [factories.listing(alice, f"Office chair {number}") for number in range(6)]
    thief = factories.listing(bob, "Office chair")
    for number, chair in enumerate(chairs):
        factories.add_picture(chair, saved(scene(number)))
        factories.add_picture(thief, saved(scene(number)))
    snapshot = follow()
    assert foreign_copies_of(snapshot, [thief, *chairs]) == [True, *[False] * 6]
    assert set(groups_of(snapshot, [thief, *chairs])) == {-1}


def test_a_photo_that_many_show_groups_only_listings_with_similar_words(alice, follow, picture):
    """A dealer's picture before every listing does not hide the dealer's other goods."""
    goods = ["Oak table", "Desk lamp", "Mountain bike", "Winter coat", "Pram", "Guitar"]
    with catalogue_transaction():
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


class TestPhotosOfOtherSellers:
    """Anybody can take a photo from the site: whoever had it first stays."""

    @pytest.fixture
    def stolen(self, bob):
        """`stolen(hash, ...)` is a result item of another seller with photos of these hashes."""
        return lambda *hashes: Item(hashed(factories.listing(bob), *hashes), 1.0, {})

    def test_a_copy_is_folded_into_the_original_wherever_they_stand(self, item_of, stolen):
        original, other, copy = item_of(SCENE), item_of(OTHER_SCENE), stolen(SCENE)
        for items in ([copy, other, original], [original, copy, other], [other, copy, original]):
            assert dict(folded(fold_copies(items))) == {
                original.listing.external_id: names(copy),
                other.listing.external_id: (),
            }

    def test_a_listing_with_the_photos_of_six_folds_itself_and_none_of_the_six(self, item_of, stolen):
        scenes = ["f0e1d2c3b4a59687", "5a6978879687a5b4", "0f1e2d3c4b5a6978"]
        scenes += ["c3a5966987b4d2e1", "96a5c3b4e1d28778", "a5b4c3d2e1f09687"]
        chairs = [item_of(each) for each in scenes]
        thief = stolen(*scenes)
        grouped = fold_copies([thief, *chairs])
        assert [item.listing for item in grouped] == [chair.listing for chair in chairs]
        assert [item.copies for item in grouped] == [names(thief), *[()] * 5]

    def test_copies_of_a_copy_are_folded_into_the_original_once(self, item_of, stolen):
        original, first, second = item_of(SCENE), stolen(SCENE), stolen(SCENE)
        grouped = fold_copies([second, first, original])
        assert folded(grouped) == [(original.listing.external_id, names(second, first))]

    def test_originals_in_a_circle_fold_into_one_that_stays(self, item_of, stolen, charlie):
        again = "0f1e2d3c4b5a6978"
        one, two = item_of(SCENE), stolen(SCENE, OTHER_SCENE)
        three = Item(hashed(factories.listing(charlie), OTHER_SCENE, again), 1.0, {})
        one = Item(hashed_more(one.listing, again), 1.0, {})
        items = [one, two, three]
        kept = dict(folded(fold_copies(items)))
        listed = [*kept, *(name for copies in kept.values() for name in copies)]
        assert sorted(listed) == sorted(names(*items))


def hashed_more(listing: Listing, perceptual_hash: str) -> Listing:
    """The listing with one more photo."""
    Photo.objects.create(
        listing=listing,
        position=9,
        file=f"photos/{listing.pk}-more.jpg",
        sha256="more",
        perceptual_hash=perceptual_hash,
        width=320,
        height=240,
    )
    return queries.visible().get(pk=listing.pk)


class TestGroupingByLook:
    """The vectors of the snapshot confirm a pair of near hashes, or rule it out."""

    def items_of(self, *listings: Listing) -> list[Item]:
        return [Item(queries.visible().get(pk=listing.pk), 1.0, {}) for listing in listings]

    @pytest.fixture
    def stock(self, alice, encoder):
        """More listings with the same photo and words than COMMON."""
        with catalogue_transaction():
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
