"""Photos similar to a given one."""

import numpy as np

from listings import queries
from listings.errors import Unavailable
from listings.models import Listing, Photo
from ml.arrays import Vector
from ml.perceptual_hash import is_plain
from recommendations.encoders.query_client import encode_or_raise
from recommendations.indexing.photo_copies import listings_with_photo
from recommendations.replica import follower

LOOKED_AT = 50  # photos of each band of a hash
SPARE_CANDIDATES = 40  # candidates beyond the count: the listings of some left the market a moment ago


class EncoderSwitching(Unavailable):
    """The query was encoded by another encoder than the snapshot's. It lasts for seconds."""

    def __init__(self) -> None:
        super().__init__("The encoder is being switched just now; try again in a moment.")


def find_similar_photos(photo: bytes, *, count: int) -> list[tuple[Photo, float]]:
    """The nearest photos of listings that are active now, nearest first, with their Euclidean distances
    between unit vectors, 0 to 2.   Raises EncoderUnreachable, EncoderSwitching, ReplicaNotReady."""
    snapshot, encoded = follower.snapshot(), encode_or_raise(photo=photo)
    if encoded.encoder_version != snapshot.encoder_version:
        raise EncoderSwitching
    matches = snapshot.nearest_photos(encoded.photo, count + SPARE_CANDIDATES, snapshot.alive)
    public = Photo.objects.filter(listing__status=Listing.Status.ACTIVE).in_bulk(matches.ids.tolist())
    pairs = zip(matches.ids.tolist(), distances(matches.scores).tolist(), strict=True)
    return [(public[pk], distance) for pk, distance in pairs if pk in public][:count]


def listings_showing(perceptual_hash: str, *, limit: int) -> list[Listing]:
    """Listings for sale with a photo that is the same by its perceptual hash, the earliest photo first.

    Nothing for a plain hash, which says too little of a photo.
    """
    bits = np.array([int(perceptual_hash, 16)], np.uint64)
    if is_plain(bits)[0]:
        return []
    listing_ids = listings_with_photo(perceptual_hash, looked_at=LOOKED_AT)
    return queries.first_visible(listing_ids, limit)


def distances(cosines: Vector) -> Vector:
    """Cosine similarities of unit vectors as Euclidean distances: sqrt(2 - 2 cos), (n,) -> (n,)"""
    return np.sqrt(2 - 2 * np.clip(cosines, -1, 1))
