"""Interests of an actor: a few representative listings among those they touched, by facility location."""

import numpy as np

from ml.arrays import Matrix, Rows, Vector, require_matrix, require_vector

LEAST_GAIN = 0.05  # least gain of a further interest, as a share of the total weight


def choose_interests(vectors: Matrix, weights: Vector, limit: int = 4) -> Rows:
    """Positions of the touched listings that represent all of them best, in order of their gain.

    Greedy facility location: each step adds the listing that most raises the weighted sum, over all listings,
    of the cosine to the nearest chosen one, and stops when that gain is small. The greedy choice reaches at
    least 1 - 1/e of the optimum (Nemhauser, Wolsey & Fisher 1978). Unlike a mean vector, the result keeps
    different interests apart.
    vectors (m, d) unit float32; weights (m,), > 0 -> (at most limit,) int32
    """
    require_matrix(vectors)
    require_vector(weights, length=len(vectors))
    cosines = np.clip(vectors @ vectors.T, 0, None)  # (m, m); facility location needs gains of 0 or more
    covered, chosen = np.zeros(len(vectors)), list[int]()
    while len(chosen) < min(limit, len(vectors)):
        gains = np.maximum(cosines - covered, 0) @ weights  # (m,)
        best = int(gains.argmax())
        if chosen and gains[best] < LEAST_GAIN * weights.sum():
            break
        chosen.append(best)
        covered = np.maximum(covered, cosines[best])
    return np.array(chosen, dtype=np.int32)
