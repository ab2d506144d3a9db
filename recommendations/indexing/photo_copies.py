"""Detection of the same photo in several listings: folded in results, recorded for staff.

The limits were chosen on 11,169 photos of 6,435 real adverts (62 million pairs, MobileNetV2). 14 pairs of
photos of different adverts differ in at most 3 of the 64 bits of their perceptual hash: 13 show the same
photo, one shows two telephones before the background of one shop. The 5 pairs at 4 to 6 bits show different
things in the same setting; from 9 bits on pairs are random. Therefore the limit is 3 bits, for which four
bands are an exact search. Of 150 photos that were changed on purpose, 3 bits find .99 saved anew, .96 at half
the size, .86 with a watermark, .80 made brighter, .24 cropped by 2 %, none mirrored. The cosine of features
only rules out random pairs: one in a thousand of those reaches .75, and 19 of 20 photos at half their size
keep .77 or more. A limit that separates the two telephones (.97) would lose nearly all of the latter.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from django.db import DatabaseError, connection, transaction

from listings.models import Photo
from ml.arrays import Vector
from ml.perceptual_hash import MOST_BITS, PLAIN
from recommendations.encoders.feature_store import hold_photos
from recommendations.models.embeddings import PhotoCopy, PhotoFeatures

LEAST_LIKENESS = 0.75  # cosine of two photos' features
LOOKED_AT = 10  # earliest near photos of each band: bounds the cost of a placeholder that everybody uses
LOCK_TIMEOUT = "200ms"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PhotoPair:
    """Two photos of different listings with near hashes, the earlier one first."""

    original: int
    photo: int
    bits: int
    is_same_file: bool
    other_seller: bool


def note_copies(listing_ids: Sequence[int]) -> int:
    """Record the copies among the photos of these listings, as `record_copies` does, but never raise or wait.

    Called at the end of a batch of embeddings, which must not fail or stall. A database error is logged and
    its changes are rolled back.
    """
    try:
        return record_copies(listing_ids)
    except DatabaseError:
        logger.exception(
            "Copies of the photos of %d listings were not noted. Their embeddings are stored all the same; "
            "`manage.py find_copies` finds the copies later",
            len(listing_ids),
        )
        return 0


@transaction.atomic
def record_copies(listing_ids: Sequence[int]) -> int:
    """Record which photos of these listings are copies, and which later photos are copies of theirs.

    Returns how many of their photos are copies. The original is the photo that was stored first, since the
    creation time of a listing can be backdated. The number of queries is constant. Photos without features
    are left out until they have some. Raises DatabaseError, also when another transaction locks these photos.
    """
    photo_ids = set(Photo.objects.filter(listing__in=listing_ids).values_list("pk", flat=True))
    # A bitmap scan reads all photos that share a band before it takes the first ten. Measured with 400,000
    # photos, a quarter of them one placeholder: 10 s for 64 photos, and 6 ms without bitmap scans.
    with _with_settings(lock_timeout=LOCK_TIMEOUT, enable_bitmapscan="off"):
        earliest = _earliest(_pairs(sorted(listing_ids)))
        PhotoCopy.objects.filter(photo__in=photo_ids - earliest.keys()).delete()
        _write(earliest, photo_ids)
    return len(photo_ids & earliest.keys())


@contextmanager
def _with_settings(**settings: str) -> Iterator[None]:
    """Change settings of PostgreSQL inside the block, and restore them after it. Needs a transaction."""
    with connection.cursor() as cursor:
        names = list(settings)
        cursor.execute("SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name", [names])
        before = dict(cursor.fetchall())
        change = "SELECT set_config(name, value, true) FROM unnest(%s::text[], %s::text[]) AS t (name, value)"
        cursor.execute(change, [names, list(settings.values())])
        yield  # an error rolls the transaction back, and the settings with it
        cursor.execute(change, [list(before.keys()), list(before.values())])


# An index on each band and the id returns the earliest photos first, so a common band is not read to its end.
# The expression of a band must equal that of the index, see Photo.Meta.
_OF_BAND = """
    (SELECT near.id, near.listing_id, near.sha256, {bits} AS bits FROM listings_photo near
     WHERE SUBSTRING(near.perceptual_hash, {start}, 4) = SUBSTRING(photo.perceptual_hash, {start}, 4)
       AND near.listing_id <> photo.listing_id AND {bits} <= %(most_bits)s
     ORDER BY near.id LIMIT %(looked_at)s)"""
_BITS = "bit_count(('x' || near.perceptual_hash)::bit(64) # ('x' || photo.perceptual_hash)::bit(64))"
_OF_ALL_BANDS = " UNION ".join(_OF_BAND.format(bits=_BITS, start=start) for start in (1, 5, 9, 13))
NEAR_PHOTOS = f"""
    SELECT DISTINCT least(photo.id, near.id), greatest(photo.id, near.id), near.bits,
                    near.sha256 = photo.sha256, own.seller_id <> other.seller_id
    FROM listings_photo photo
    JOIN listings_listing own ON own.id = photo.listing_id
    CROSS JOIN LATERAL ({_OF_ALL_BANDS}) near
    JOIN listings_listing other ON other.id = near.listing_id
    WHERE photo.listing_id = ANY(%(listing_ids)s)
      AND abs(bit_count(('x' || photo.perceptual_hash)::bit(64)) - 32) <= %(plain)s
    ORDER BY 1, 2
"""
# The same for a photo that is not stored.
_SHOWING = f"""
    SELECT DISTINCT near.id, near.listing_id
    FROM (SELECT %(hash)s::text AS perceptual_hash, 0::bigint AS listing_id) photo
    CROSS JOIN LATERAL ({_OF_ALL_BANDS}) near
    ORDER BY near.id
"""


def listings_with_photo(perceptual_hash: str, *, looked_at: int) -> list[int]:
    """Keys of the listings with a photo near this hash, the earliest photo first.

    looked_at: photos of each band of the hash.
    """
    limits: dict[str, str | int] = {
        "hash": perceptual_hash,
        "most_bits": MOST_BITS,
        "looked_at": looked_at,
    }
    with transaction.atomic(), _with_settings(enable_bitmapscan="off"), connection.cursor() as cursor:
        cursor.execute(_SHOWING, limits)
        return list(dict.fromkeys(listing_id for _, listing_id in cursor.fetchall()))


def _pairs(listing_ids: list[int]) -> list[PhotoPair]:
    """Pairs of a photo of these listings and a photo of another one with a near hash, by original, photo."""
    limits = {"most_bits": MOST_BITS, "looked_at": LOOKED_AT, "plain": PLAIN}
    with connection.cursor() as cursor:
        cursor.execute(NEAR_PHOTOS, {"listing_ids": listing_ids, **limits})
        return [PhotoPair(*row) for row in cursor.fetchall()]


def _earliest(pairs: list[PhotoPair]) -> dict[int, PhotoCopy]:
    """Each later photo -> its row with the earliest original that features confirm."""
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
    """Photo id -> backbone -> features of unit length (f,) float32"""
    features: dict[int, dict[str, Vector]] = defaultdict(dict)
    stored = PhotoFeatures.objects.filter(photo__in=photo_ids)
    for pk, backbone, data in stored.values_list("photo_id", "backbone", "features"):
        vector = np.frombuffer(data, dtype="<f2").astype(np.float32)
        features[pk][backbone] = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return features


def _likeness(one: dict[str, Vector], other: dict[str, Vector]) -> float:
    """The greatest cosine by a backbone that has features of both photos; -1 if none has."""
    return max((float(one[name] @ other[name]) for name in one.keys() & other.keys()), default=-1.0)


def _write(earliest: dict[int, PhotoCopy], photo_ids: set[int]) -> None:
    """Store these rows. Other photos than `photo_ids` keep a stored original that is earlier."""
    stored = dict(PhotoCopy.objects.filter(photo__in=earliest).values_list("photo_id", "original_id"))
    rows = [
        copy
        for pk, copy in sorted(earliest.items())  # one order of locks in all processes: no deadlock
        if pk in photo_ids or copy.original_id < stored.get(pk, copy.original_id + 1)
    ]
    held = hold_photos({pk for copy in rows for pk in (copy.photo_id, copy.original_id)})
    PhotoCopy.objects.bulk_create(
        [copy for copy in rows if {copy.photo_id, copy.original_id} <= held],
        update_conflicts=True,
        unique_fields=["photo"],
        update_fields=["original", "hamming", "likeness", "other_seller"],
    )
