"""Which candidates show the same photo: of those a page shows one."""

from collections import defaultdict

import numpy as np
from django.db import connection

from ml.arrays import Matrix, Rows
from ml.blocks import Blocks, block_scores
from ml.diversity import IN_NO_GROUP
from recommendations.copies import COMMON, LEAST_LOOK, LEAST_WORDS, SAME_LOOK
from recommendations.view import View


def groups(view: View, rows: Rows) -> Rows:
    """A number for those that show one photo, -1 for those that share none.   (n,) int -> (n,) int64

    By the copies that were noted as photos came. A photo that many show (a placeholder, a dealer's stock)
    says little: of those only what looks and reads alike is one.
    """
    ids = view.attributes["listing_id"][rows]
    place_of = {pk: place for place, pk in enumerate(ids.tolist())}
    found = np.full(len(rows), IN_NO_GROUP, np.int64)
    for number, places in enumerate(_sharing(place_of)):
        first, *others = places
        vectors = view.vectors(rows[places]).astype(np.float32)
        alike = np.array(others)[_are_alike(vectors, view.comparison.blocks, strictly=len(places) > COMMON)]
        free = alike[found[alike] == IN_NO_GROUP]
        if len(free):
            own = found[first] if found[first] != IN_NO_GROUP else number
            found[[first, *free]] = own
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


def _are_alike(vectors: Matrix, blocks: Blocks, *, strictly: bool) -> np.ndarray:
    """Whether each of the others agrees with the first.   (k, d) float32 -> (k - 1,) bool"""
    look, _, words = block_scores(vectors[0], vectors[1:], blocks).T
    if strictly:
        return (look >= SAME_LOOK) & (words >= LEAST_WORDS)  # false for NaN
    return np.isnan(look) | (look >= LEAST_LOOK)
