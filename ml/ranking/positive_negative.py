"""Scoring of listings by their nearest positive and nearest negative example."""

import numpy as np

from ml.arrays import Matrix, Vector, require_matrix

PENALTY = 0.5  # weight of the nearest negative example; a listing identical to one of each still scores half


def positive_negative_scores(positive: Matrix, negative: Matrix, *, penalty: float = PENALTY) -> Vector:
    """Similarity to the nearest positive example less a share of that to the nearest negative one.

    Rocchio's feedback (1971) moves one query by the means of both sets. The nearest examples keep several
    kinds apart, which means would blur. A negative example of similarity below 0 does not raise a score.
    positive (p, n), negative (q, n): similarity of each example and each listing, NaN = unknown
    -> (n,) float32, NaN where no positive example knows the listing
    """
    require_matrix(positive)
    require_matrix(negative, columns=positive.shape[1])
    liked = np.fmax.reduce(positive, axis=0, initial=np.nan)
    disliked = np.fmax.reduce(negative, axis=0, initial=0)
    return (liked - penalty * disliked).astype(np.float32)
