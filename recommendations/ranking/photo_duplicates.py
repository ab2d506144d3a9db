"""Groups of candidates that show the same photo. A page shows one of each group."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

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


def photo_groups(snapshot: CatalogueSnapshot, rows: Rows) -> Rows:
    """The group number of each row, -1 without a group: (n,) int -> (n,) int64

    Groups follow from the photo copies that were recorded as photos came. A photo of many listings (a
    placeholder, a dealer's stock photo) says little: of those only listings that also look and read alike
    form a group.
    """
    ids = snapshot.attributes["listing_id"][rows]
    place_of = {pk: place for place, pk in enumerate(ids.tolist())}
    group_of = np.full(len(rows), IN_NO_GROUP, np.int64)
    number = 0
    for places in _sharing(place_of):
        is_common, left = len(places) > COMMON, np.array(places)
        while len(left) > 1:
            vectors = snapshot.vectors(rows[left]).astype(np.float32)
            look, _, words = block_scores(vectors[0], vectors[1:], snapshot.comparison.blocks).T
            alike = np.append(True, are_copies(look, words, strictly=is_common))
            free = left[alike & (group_of[left] == IN_NO_GROUP)]
            if len(free) > 1:
                group_of[free], number = number, number + 1
            left = left[~alike]
    return group_of


# Raw SQL, since an array is one parameter: the ORM takes longer over hundreds of them than the query does.
_COPIES = """
    SELECT copy.original_id, photo.listing_id, original.listing_id
    FROM recommendations_photocopy copy
    JOIN listings_photo photo ON photo.id = copy.photo_id
    JOIN listings_photo original ON original.id = copy.original_id
    WHERE photo.listing_id = ANY(%s)
"""


def _sharing(place_of: dict[int, int]) -> list[list[int]]:
    """For each photo shown by two or more of the listings: their places, ascending."""
    by_photo: dict[int, set[int]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(_COPIES, [list(place_of)])
        for photo, *listings in cursor.fetchall():
            by_photo[photo] |= {place_of[pk] for pk in listings if pk in place_of}
    return [sorted(places) for _, places in sorted(by_photo.items()) if len(places) > 1]


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
    """The items, each folded into the first one that shows the same photo and listed in its `copies`.

    Makes no database query when photos were prefetched. Photos with a plain hash, or one that is common in
    this result, are folded only if the vectors of the snapshot are similar by look and by words.
    """
    near = _near_pairs(items, snapshot)
    copies: dict[int, list[str]] = {}  # position of an item that stays -> external ids of its copies
    for position, item in enumerate(items):
        earlier = next((kept for kept in near.get(position, ()) if kept in copies), None)
        if earlier is None:
            copies[position] = []
        else:
            copies[earlier] += [item.listing.external_id, *item.copies]
    return [
        replace(items[position], copies=(*items[position].copies, *folded)) if folded else items[position]
        for position, folded in copies.items()
    ]


def _near_pairs(items: Sequence[Item], snapshot: CatalogueSnapshot | None) -> dict[int, list[int]]:
    """Position of each item -> positions of the earlier items that show one of its photos, ascending."""
    owned = {(position, _bits(p)) for position, item in enumerate(items) for p in item.listing.photos.all()}
    owners = np.array([position for position, _ in sorted(owned)], dtype=np.int64)  # (m,) ascending
    hashes = np.array([bits for _, bits in sorted(owned)], dtype=np.uint64)  # (m,)
    close = np.bitwise_count(hashes[:, None] ^ hashes[None, :]) <= MOST_BITS  # (m, m)
    is_weak = is_plain(hashes) | (close.sum(axis=1) > COMMON)
    near: dict[int, set[int]] = defaultdict(set)
    later, earlier = np.nonzero(close & (owners[:, None] > owners[None, :]))
    for one, other in zip(later, earlier, strict=True):
        pair = (items[owners[one]].listing, items[owners[other]].listing)
        if _is_confirmed(*pair, snapshot, strictly=bool(is_weak[one] | is_weak[other])):
            near[int(owners[one])].add(int(owners[other]))
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
