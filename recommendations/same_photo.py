"""Which candidates show the same photo: of those a page shows one."""

from collections import defaultdict

import numpy as np
from django.db import connection

from ml.arrays import Rows
from ml.blocks import block_scores
from ml.diversity import IN_NO_GROUP
from recommendations.copies import COMMON, are_alike
from recommendations.view import View


def groups(view: View, rows: Rows) -> Rows:
    """A number for those that show one photo, -1 for those that share none.   (n,) int -> (n,) int64

    By the copies that were noted as photos came. A photo that many show (a placeholder, a dealer's stock)
    says little: of those only what looks and reads alike is one.
    """
    ids = view.attributes["listing_id"][rows]
    place_of = {pk: place for place, pk in enumerate(ids.tolist())}
    found = np.full(len(rows), IN_NO_GROUP, np.int64)
    number = 0
    for places in _sharing(place_of):
        strictly, left = len(places) > COMMON, np.array(places)
        while len(left) > 1:
            vectors = view.vectors(rows[left]).astype(np.float32)
            look, _, words = block_scores(vectors[0], vectors[1:], view.comparison.blocks).T
            alike = np.append(True, are_alike(look, words, strictly=strictly))
            free = left[alike & (found[left] == IN_NO_GROUP)]
            if len(free) > 1:
                found[free], number = number, number + 1
            left = left[~alike]
    return found


# An array is one parameter: some hundred of them take the ORM longer than the answer takes.
_COPIES = """
    SELECT copy.original_id, photo.listing_id, original.listing_id
    FROM recommendations_photocopy copy
    JOIN listings_photo photo ON photo.id = copy.photo_id
    JOIN listings_photo original ON original.id = copy.original_id
    WHERE photo.listing_id = ANY(%s)
"""


def _sharing(place_of: dict[int, int]) -> list[list[int]]:
    """Places of the listings that show one photo, two or more of them, each ascending."""
    by_photo: dict[int, set[int]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(_COPIES, [list(place_of)])
        for photo, *listings in cursor.fetchall():
            by_photo[photo] |= {place_of[pk] for pk in listings if pk in place_of}
    return [sorted(places) for _, places in sorted(by_photo.items()) if len(places) > 1]
