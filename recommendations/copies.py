"""The same photo offered again: folded together in results, noted for staff.

Chosen on 11,169 photos of 6,435 real adverts (62 million pairs, MobileNetV2). Between adverts, 14 pairs of
photos differ in at most 3 of the 64 bits of their perceptual hash: 13 show the same photo, one shows two
telephones before the same shop's background. The 5 pairs at 4 to 6 bits show other things in one setting;
beyond 8 bits chance begins. So 3 bits are the limit, and just what four bands find exactly. Of 150 photos
that were changed on purpose, 3 bits find .99 saved anew, .96 at half the size, .86 with a watermark, .80 made
brighter, .24 cropped by 2 %, none mirrored. The cosine only has to rule out chance: a random pair reaches .75
once in a thousand, photos at half their size keep .77 or more in 19 of 20, and a limit that tells the two
telephones apart (.97) would lose nearly all of those.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from django.db import DatabaseError, connection, transaction

from listings import queries
from listings.models import Listing, Photo
from ml.arrays import Vector
from ml.blocks import block_scores
from recommendations.models import PhotoCopy, PhotoFeatures

if TYPE_CHECKING:
    from recommendations.pages import Item
    from recommendations.view import View

MOST_BITS = 3
LEAST_LIKENESS = 0.75  # of two photos by their features
# Of two listings whose photos may be many: the pairs above reach .70 by look and .62 by words, random ones
# .52 and .18 at the 99th percentile. In a trained space it is .67 and .73 to .26 and .40.
LEAST_LOOK = 0.5
LEAST_WORDS = 0.4
SAME_LOOK = 0.9  # asked of photos whose hash says little
COMMON = 5  # near photos in one result: a placeholder, or a dealer's stock
PLAIN = 8  # a hash has 32 set bits unless the photo is blank, or a smooth run of one colour
FOLDED = 10  # read beyond the limit for those that are folded
LOOKED_AT = 10  # earliest near photos of each band; a placeholder that everybody uses costs no more
LOCK_TIMEOUT = "200ms"

logger = logging.getLogger(__name__)


def first_grouped(
    listing_ids: list[int], limit: int, item_of: Callable[[Listing], "Item"], view: "View"
) -> list["Item"]:
    """The first `limit` items of active listings in this order, copies folded.

    Reads on when folding left too few.
    """
    items: list[Item] = []
    for count in (limit + FOLDED, len(listing_ids)):
        items = group([item_of(found) for found in queries.first_visible(listing_ids, count)], view)
        if len(items) >= limit or count >= len(listing_ids):
            break
    return items[:limit]


def group(items: list["Item"], view: "View | None" = None) -> list["Item"]:
    """The items with those that show an earlier one's photo folded into it and named in its `copies`.

    Asks the database nothing when photos were prefetched. A photo whose hash says little (plain, or common in
    this result) folds only what the view knows to look and read alike.
    """
    near = _near_pairs(items, view)
    copies: dict[int, list[str]] = {}  # by position of the item that stays
    for place, item in enumerate(items):
        earlier = next((kept for kept in near.get(place, ()) if kept in copies), None)
        if earlier is None:
            copies[place] = []
        else:
            copies[earlier] += [item.listing.external_id, *item.copies]
    return [
        replace(items[place], copies=(*items[place].copies, *folded)) if folded else items[place]
        for place, folded in copies.items()
    ]


def _near_pairs(items: list["Item"], view: "View | None") -> dict[int, list[int]]:
    """Which earlier items show a photo of each item, by position, ascending."""
    owned = {(place, _bits(p)) for place, item in enumerate(items) for p in item.listing.photos.all()}
    owners = np.array([place for place, _ in sorted(owned)], dtype=np.int64)  # (m,) ascending
    hashes = np.array([bits for _, bits in sorted(owned)], dtype=np.uint64)  # (m,)
    close = np.bitwise_count(hashes[:, None] ^ hashes[None, :]) <= MOST_BITS  # (m, m)
    says_little = _is_plain(hashes) | (close.sum(axis=1) > COMMON)
    near: dict[int, set[int]] = defaultdict(set)
    later, earlier = np.nonzero(close & (owners[:, None] > owners[None, :]))
    for one, other in zip(later, earlier, strict=True):
        pair = (items[owners[one]].listing, items[owners[other]].listing)
        if _is_confirmed(*pair, view, strictly=bool(says_little[one] | says_little[other])):
            near[int(owners[one])].add(int(owners[other]))
    return {place: sorted(places) for place, places in near.items()}


def _bits(photo: Photo) -> int:
    return int(photo.perceptual_hash or "0", 16)


def _is_plain(hashes: np.ndarray) -> np.ndarray:
    """(m,) uint64 -> (m,) bool: too many or too few bits are set to tell a photo."""
    return np.abs(np.bitwise_count(hashes).astype(int) - 32) > PLAIN


def _is_confirmed(one: Listing, other: Listing, view: "View | None", *, strictly: bool) -> bool:
    """Whether what the view knows of two listings agrees with their hashes; what it does not know cannot."""
    return bool(are_alike(*_cosines(one, other, view), strictly=strictly))


def are_alike(look: Vector, words: Vector, *, strictly: bool) -> np.ndarray:
    """Whether listings can show one photo, by the cosines of their looks and words, NaN where unknown.

    look and words (n,) float32 -> (n,) bool. Strictly where the photo itself says little.
    """
    if strictly:
        return (np.asarray(look) >= SAME_LOOK) & (np.asarray(words) >= LEAST_WORDS)  # false for NaN
    return np.isnan(look) | (np.asarray(look) >= LEAST_LOOK)


def _cosines(one: Listing, other: Listing, view: "View | None") -> tuple[float, float]:
    """Of look and words, NaN where one of the two is not known."""
    if view is None:
        return np.nan, np.nan
    rows = view.rows_of(np.array([one.pk, other.pk]))
    if (rows < 0).any():
        return np.nan, np.nan
    vectors = view.vectors(rows).astype(np.float32)
    look, _, words = block_scores(vectors[0], vectors[1:], view.comparison.blocks)[0].tolist()
    return look, words


@dataclass(frozen=True)
class Pair:
    """Two photos of different listings with near hashes, in the order in which they came."""

    original: int
    photo: int
    bits: int
    is_same_file: bool
    other_seller: bool


def note(listing_ids: Sequence[int]) -> int:
    """Note which photos of these listings were shown before, and who shows theirs since; how many were.

    For the end of a batch of embeddings: whatever goes wrong with the database is logged and undone, and a
    lock is not waited for, so nothing here fails or stalls the batch. `find_copies` finds what was missed.
    """
    try:
        return find(listing_ids)
    except DatabaseError:
        logger.exception("Copies of the photos of %d listings were not noted", len(listing_ids))
        return 0


@transaction.atomic
def find(listing_ids: Sequence[int]) -> int:
    """What `note` does, with its errors: DatabaseError, also when somebody holds a lock on these photos.

    First is whose photo came here first: the time that a listing gives for itself can be set back.
    Takes as many queries for many listings as for one. Photos without features wait until they have some.
    """
    asked = set(Photo.objects.filter(listing__in=listing_ids).values_list("pk", flat=True))
    # Bitmaps would read all photos that have a band in common before the first ten are taken (tried: 10 s for
    # 64 photos, in a catalogue of 400,000 photos of which a quarter are one placeholder; without them 6 ms).
    with _with_settings(lock_timeout=LOCK_TIMEOUT, enable_bitmapscan="off"):
        earliest = _earliest(_pairs(sorted(listing_ids)))
        PhotoCopy.objects.filter(photo__in=asked - earliest.keys()).delete()
        _write(earliest, asked)
    return len(asked & earliest.keys())


@contextmanager
def _with_settings(**settings: str) -> Iterator[None]:
    """Within, PostgreSQL has these settings; then those that it had before. Takes a transaction."""
    with connection.cursor() as cursor:
        names = list(settings)
        cursor.execute("SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name", [names])
        before = dict(cursor.fetchall())
        change = "SELECT set_config(name, value, true) FROM unnest(%s::text[], %s::text[]) AS t (name, value)"
        cursor.execute(change, [names, list(settings.values())])
        yield  # after an error the transaction is undone, and these settings with it
        cursor.execute(change, [list(before.keys()), list(before.values())])


# An index on each band and the id gives the earliest first: what many photos share is not read to its end.
# The text of a band is that of the index, see Photo.Meta.
_OF_BAND = """
    (SELECT near.id, near.listing_id, near.sha256, {bits} AS bits FROM listings_photo near
     WHERE SUBSTRING(near.perceptual_hash, {start}, 4) = SUBSTRING(asked.perceptual_hash, {start}, 4)
       AND near.listing_id <> asked.listing_id AND {bits} <= %(most_bits)s
     ORDER BY near.id LIMIT %(looked_at)s)"""
_BITS = "bit_count(('x' || near.perceptual_hash)::bit(64) # ('x' || asked.perceptual_hash)::bit(64))"
_OF_ALL_BANDS = " UNION ".join(_OF_BAND.format(bits=_BITS, start=start) for start in (1, 5, 9, 13))
NEAR_PHOTOS = f"""
    SELECT DISTINCT least(asked.id, near.id), greatest(asked.id, near.id), near.bits,
                    near.sha256 = asked.sha256, own.seller_id <> other.seller_id
    FROM listings_photo asked
    JOIN listings_listing own ON own.id = asked.listing_id
    CROSS JOIN LATERAL ({_OF_ALL_BANDS}) near
    JOIN listings_listing other ON other.id = near.listing_id
    WHERE asked.listing_id = ANY(%(listing_ids)s)
      AND abs(bit_count(('x' || asked.perceptual_hash)::bit(64)) - 32) <= %(plain)s
    ORDER BY 1, 2
"""


def _pairs(listing_ids: list[int]) -> list[Pair]:
    """The photos of these listings beside near ones of others, as far as features confirm them."""
    limits = {"most_bits": MOST_BITS, "looked_at": LOOKED_AT, "plain": PLAIN}
    with connection.cursor() as cursor:
        cursor.execute(NEAR_PHOTOS, {"listing_ids": listing_ids, **limits})
        return [Pair(*row) for row in cursor.fetchall()]


def _earliest(pairs: list[Pair]) -> dict[int, PhotoCopy]:
    """For each later photo, its copy row of the earliest photo that is confirmed."""
    features = _features({pk for pair in pairs for pk in (pair.original, pair.photo)})
    earliest: dict[int, PhotoCopy] = {}
    for pair in pairs:  # ascending by original
        likeness = 1.0 if pair.is_same_file else _likeness(features[pair.original], features[pair.photo])
        if likeness >= LEAST_LIKENESS:
            copy = PhotoCopy(
                photo_id=pair.photo,
                original_id=pair.original,
                hamming=pair.bits,
                likeness=likeness,
                other_seller=pair.other_seller,
            )
            earliest.setdefault(pair.photo, copy)
    return earliest


def _features(photo_ids: set[int]) -> dict[int, dict[str, Vector]]:
    """Unit features (f,) float32 of each photo by backbone."""
    found: dict[int, dict[str, Vector]] = defaultdict(dict)
    stored = PhotoFeatures.objects.filter(photo__in=photo_ids)
    for pk, backbone, data in stored.values_list("photo_id", "backbone", "features"):
        vector = np.frombuffer(data, dtype="<f2").astype(np.float32)
        found[pk][backbone] = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return found


def _likeness(one: dict[str, Vector], other: dict[str, Vector]) -> float:
    """The greatest cosine by a backbone that saw both photos; -1 if none did."""
    return max((float(one[name] @ other[name]) for name in one.keys() & other.keys()), default=-1.0)


def _write(earliest: dict[int, PhotoCopy], asked: set[int]) -> None:
    """Store these rows; photos that were not asked about keep an original that came still earlier."""
    stored = dict(PhotoCopy.objects.filter(photo__in=earliest).values_list("photo_id", "original_id"))
    rows = [
        copy
        for pk, copy in sorted(earliest.items())  # everybody locks in this order
        if pk in asked or copy.original_id < stored.get(pk, copy.original_id + 1)
    ]
    held = _hold({pk for copy in rows for pk in (copy.photo_id, copy.original_id)})
    PhotoCopy.objects.bulk_create(
        [copy for copy in rows if {copy.photo_id, copy.original_id} <= held],
        update_conflicts=True,
        unique_fields=["photo"],
        update_fields=["original", "hamming", "likeness", "other_seller"],
    )


def _hold(photo_ids: set[int]) -> set[int]:
    """Those of the photos that are still there, kept from being deleted until the transaction ends.

    Foreign keys are checked at the commit: without this, a photo that goes meanwhile would fail it there.
    """
    with connection.cursor() as cursor:
        statement = "SELECT id FROM listings_photo WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"
        cursor.execute(statement, [sorted(photo_ids)])
        return {pk for (pk,) in cursor.fetchall()}
