"""Groups of candidates that show the same photo. A page shows one of each group.

Of one seller's listings the best is shown. Of two sellers' the one whose photo was stored first is shown,
however good the other is: anybody can take a photo from the site and would push out whoever made it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
from django.db import connection

from listings import queries
from listings.models import Listing, Photo
from ml.arrays import Rows, Vector
from ml.encoder.blocks import block_scores
from ml.perceptual_hash import MOST_BITS, is_plain
from ml.ranking.diversity import IN_NO_GROUP
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.slates.results import Item

# Cosines of two listings, each of which may have many photos: the pairs above reach .70 by look and .62 by
# words, random pairs .52 and .18 at the 99th percentile. With a trained encoder: .67 and .73, .26 and .40.
LEAST_LOOK = 0.5
LEAST_WORDS = 0.4
SAME_LOOK = 0.9  # required where the hash is plain or common
COMMON = 5  # more near photos in one result than this: a placeholder, or a dealer's stock
FOLDED = 10  # listings read beyond the limit, in place of those that are folded

ListItem = TypeVar("ListItem", bound=Item)


class RecordedCopy(NamedTuple):
    """A photo that a listing shows after another one, by their ids."""

    photo_id: int  # of the original
    listing_id: int
    original_id: int


def recorded_copies(snapshot: CatalogueSnapshot, rows: Rows) -> list[RecordedCopy]:
    """The copies that were recorded of photos of these rows (n,) int, as photos came."""
    with connection.cursor() as cursor:
        cursor.execute(_COPIES, [snapshot.attributes["listing_id"][rows].tolist()])
        return [RecordedCopy(*row) for row in cursor.fetchall()]


def photo_groups(
    snapshot: CatalogueSnapshot, rows: Rows, copies: Sequence[RecordedCopy] | None = None
) -> Rows:
    """The group number of each row, -1 without a group: (n,) int -> (n,) int64

    copies: those of the rows, and maybe of others; read when None. The listings of a group have one seller.
    A photo of many listings (a placeholder, a dealer's stock photo) says little: of those only listings that
    also look and read alike form a group.
    """
    place_of = _places(snapshot, rows)
    sellers = snapshot.attributes["seller_id"][rows]
    copies = recorded_copies(snapshot, rows) if copies is None else copies
    group_of = np.full(len(rows), IN_NO_GROUP, np.int64)
    number = 0
    for places, is_common in _of_one_seller(_sharing(place_of, copies), sellers):
        left = np.array(places)
        while len(left) > 1:
            vectors = snapshot.vectors(rows[left]).astype(np.float32)
            look, _, words = block_scores(vectors[0], vectors[1:], snapshot.comparison.blocks).T
            alike = np.append(True, are_copies(look, words, strictly=is_common))
            free = left[alike & (group_of[left] == IN_NO_GROUP)]
            if len(free) > 1:
                group_of[free], number = number, number + 1
            left = left[~alike]
    return group_of


def foreign_copies(
    snapshot: CatalogueSnapshot, rows: Rows, copies: Sequence[RecordedCopy] | None = None
) -> np.ndarray:
    """Whether each row shows a photo that a row of another seller had before: (n,) int -> (n,) bool

    A photo that many of the rows share counts only where they look and read alike, as in `photo_groups`.
    """
    place_of = _places(snapshot, rows)
    sellers = snapshot.attributes["seller_id"][rows]
    copies = recorded_copies(snapshot, rows) if copies is None else copies
    owner = {copy.photo_id: place_of[copy.original_id] for copy in copies if copy.original_id in place_of}
    is_copy = np.zeros(len(rows), bool)
    for photo_id, places in _by_photo(place_of, copies).items():
        if photo_id not in owner:
            continue
        first = owner[photo_id]
        others = np.array([place for place in sorted(places) if sellers[place] != sellers[first]], np.int64)
        if len(others):
            vectors = snapshot.vectors(rows[np.append(first, others)]).astype(np.float32)
            look, _, words = block_scores(vectors[0], vectors[1:], snapshot.comparison.blocks).T
            is_copy[others] |= are_copies(look, words, strictly=len(places) > COMMON)
    return is_copy


def _places(snapshot: CatalogueSnapshot, rows: Rows) -> dict[int, int]:
    """Listing id -> its place among the rows."""
    return {pk: place for place, pk in enumerate(snapshot.attributes["listing_id"][rows].tolist())}


# Raw SQL, since an array is one parameter: the ORM takes longer over hundreds of them than the query does.
_COPIES = """
    SELECT copy.original_id, photo.listing_id, original.listing_id
    FROM recommendations_photocopy copy
    JOIN listings_photo photo ON photo.id = copy.photo_id
    JOIN listings_photo original ON original.id = copy.original_id
    WHERE photo.listing_id = ANY(%s)
"""


def _by_photo(place_of: dict[int, int], copies: Iterable[RecordedCopy]) -> dict[int, set[int]]:
    """Photo -> the places of the listings that show it."""
    by_photo: dict[int, set[int]] = defaultdict(set)
    for photo_id, *listings in copies:
        by_photo[photo_id] |= {place_of[pk] for pk in listings if pk in place_of}
    return by_photo


def _sharing(place_of: dict[int, int], copies: Iterable[RecordedCopy]) -> list[list[int]]:
    """For each photo shown by two or more of the listings: their places, ascending."""
    by_photo = _by_photo(place_of, copies)
    return [sorted(places) for _, places in sorted(by_photo.items()) if len(places) > 1]


def _of_one_seller(sharing: list[list[int]], sellers: np.ndarray) -> Iterator[tuple[list[int], bool]]:
    """The places of each photo by seller, and whether the photo is common among all of them."""
    for places in sharing:
        of_seller: dict[int, list[int]] = defaultdict(list)
        for place in places:
            of_seller[int(sellers[place])].append(place)
        for own in of_seller.values():
            yield own, len(places) > COMMON


def first_folded(
    listing_ids: list[int], limit: int, item_of: Callable[[Listing], ListItem], snapshot: CatalogueSnapshot
) -> list[ListItem]:
    """The first `limit` items of active listings in this order, copies folded.

    Reads all listings when folding leaves too few of the first ones.
    """
    items: list[ListItem] = []
    for count in (limit + FOLDED, len(listing_ids)):
        items = fold_copies(
            [item_of(listing) for listing in queries.first_visible(listing_ids, count)], snapshot
        )
        if len(items) >= limit or count >= len(listing_ids):
            break
    return items[:limit]


def fold_copies(items: list[ListItem], snapshot: CatalogueSnapshot | None = None) -> list[ListItem]:
    """The items, each folded into one that shows the same photo and listed in its `copies`.

    Of one seller's items the first stays, of two sellers' the one that had the photo first. Makes no database
    query when photos were prefetched. Photos with a plain hash, or one common in this result, are folded
    only if the vectors of the snapshot are similar by look and by words.
    """
    into = _targets(_near_pairs(items, snapshot), len(items))
    copies: dict[int, list[str]] = {position: [] for position, target in enumerate(into) if target is None}
    for item, target in zip(items, into, strict=True):
        if target is not None:
            copies[target] += [item.listing.external_id, *item.copies]
    return [
        replace(items[position], copies=(*items[position].copies, *folded)) if folded else items[position]
        for position, folded in copies.items()
    ]


def _targets(near: dict[int, list[int]], count: int) -> list[int | None]:
    """What each of the items is folded into: the first of its near items that stays, None if none does."""
    into: dict[int, int | None] = {}

    def stays(position: int) -> bool:
        if position not in into:
            into[position] = None  # meanwhile, so that a circle of originals ends
            into[position] = next((other for other in near.get(position, ()) if stays(other)), None)
        return into[position] is None

    def last(target: int | None) -> int | None:
        """The item that stays, where a circle folded the target after something was folded into it."""
        return target if target is None or into[target] is None else last(into[target])

    for position in range(count):
        stays(position)
    return [last(into[position]) for position in range(count)]


def _near_pairs(items: Sequence[Item], snapshot: CatalogueSnapshot | None) -> dict[int, list[int]]:
    """Position of each item -> positions of the items that it may be folded into, ascending.

    These show one of its photos. They are earlier items of its seller, or those of others that had it first.
    """
    owned: dict[tuple[int, int], int] = {}  # position of an item, hash of a photo -> its least key
    for position, item in enumerate(items):
        for photo in item.listing.photos.all():
            key = (position, _bits(photo))
            owned[key] = min(photo.pk, owned.get(key, photo.pk))
    owners = np.array([position for position, _ in sorted(owned)], dtype=np.int64)  # (m,) ascending
    hashes = np.array([bits for _, bits in sorted(owned)], dtype=np.uint64)  # (m,)
    keys = [owned[key] for key in sorted(owned)]
    close = np.bitwise_count(hashes[:, None] ^ hashes[None, :]) <= MOST_BITS  # (m, m)
    is_weak = is_plain(hashes) | (close.sum(axis=1) > COMMON)
    oldest: dict[tuple[int, int], tuple[int, int]] = {}  # positions of a pair -> least key, its position
    later, earlier = np.nonzero(close & (owners[:, None] > owners[None, :]))
    for one, other in zip(later.tolist(), earlier.tolist(), strict=True):
        positions = (int(owners[one]), int(owners[other]))
        pair = (items[positions[0]].listing, items[positions[1]].listing)
        if _is_confirmed(*pair, snapshot, strictly=bool(is_weak[one] | is_weak[other])):
            first = min((keys[one], positions[0]), (keys[other], positions[1]))
            oldest[positions] = min(first, oldest.get(positions, first))
    near: dict[int, set[int]] = defaultdict(set)
    for (late, early), (_, original) in oldest.items():
        is_own = items[late].listing.seller_id == items[early].listing.seller_id
        stays = early if is_own else original
        near[late + early - stays].add(stays)
    return {position: sorted(positions) for position, positions in near.items()}


def _bits(photo: Photo) -> int:
    return int(photo.perceptual_hash or "0", 16)


def _is_confirmed(
    one: Listing, other: Listing, snapshot: CatalogueSnapshot | None, *, strictly: bool
) -> bool:
    """Whether the vectors of two listings agree with their hashes. Where one has none, see `are_copies`."""
    return bool(are_copies(*_cosines(one, other, snapshot), strictly=strictly))


def are_copies(look: Vector | float, words: Vector | float, *, strictly: bool) -> np.ndarray:
    """Whether listings can show the same photo, by the cosines of their blocks look and words.

    look and words (n,) float32, NaN where unknown -> (n,) bool. Unknown is true, but false if `strictly`,
    which is for photos with a plain or common hash.
    """
    if strictly:
        return (np.asarray(look) >= SAME_LOOK) & (np.asarray(words) >= LEAST_WORDS)  # false for NaN
    return np.isnan(look) | (np.asarray(look) >= LEAST_LOOK)


def _cosines(one: Listing, other: Listing, snapshot: CatalogueSnapshot | None) -> tuple[float, float]:
    """Cosines of the blocks look and words; both NaN when a listing has no vector."""
    if snapshot is None:
        return np.nan, np.nan
    rows = snapshot.rows_of(np.array([one.pk, other.pk]))
    if (rows < 0).any():
        return np.nan, np.nan
    vectors = snapshot.vectors(rows).astype(np.float32)
    look, _, words = block_scores(vectors[0], vectors[1:], snapshot.comparison.blocks)[0].tolist()
    return look, words
