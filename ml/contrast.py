"""More like these, less like those."""

import numpy as np

from ml.arrays import Matrix, Vector, require_matrix

PENALTY = 0.5  # of nearness to what is not wanted: as near to both as can be is still worth half


def contrast(positive: Matrix, negative: Matrix, *, penalty: float = PENALTY) -> Vector:
    """The nearest positive example speaks for a listing, the nearest negative one against it.

    Rocchio's feedback (1971) moves one query by the means of both; with the nearest of each, examples of
    several kinds do not blur into something between them. A likeness below 0 is no reason to like a listing.
    positive (p, n), negative (q, n) likeness of each example and each listing, NaN = unknown
    -> (n,) float32, NaN where no positive example knows the listing
    """
    require_matrix(positive)
    require_matrix(negative, columns=positive.shape[1])
    liked = np.fmax.reduce(positive, axis=0, initial=np.nan)
    disliked = np.fmax.reduce(negative, axis=0, initial=0)
    return (liked - penalty * disliked).astype(np.float32)
