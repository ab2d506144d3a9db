"""Groups of candidates that show the same photo. A page shows one of each group."""

from collections import defaultdict

import numpy as np
from django.db import connection

from ml.arrays import Rows
from ml.blocks import block_scores
from ml.diversity import IN_NO_GROUP
from recommendations.copies import COMMON, are_alike
from recommendations.view import View


def groups(snapshot: View, rows: Rows) -> Rows:
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
            alike = np.append(True, are_alike(look, words, strictly=is_common))
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
