"""An actor's interests: a few of the listings they touched, each real, never one blurred mean of all."""

import numpy as np

from ml.arrays import Matrix, Rows, Vector, require_matrix, require_vector

LEAST_GAIN = 0.05  # of what is covered in all: a further interest must explain at least this much


def choose_interests(vectors: Matrix, weights: Vector, limit: int = 4) -> Rows:
    """Positions of the touched listings that together stand best for all of them, most telling first.

    Greedy facility location: each step adds the listing that raises most the weighted sum, over all listings,
    of the cosine to the nearest chosen one, and stops when that gain is small. Greedy comes within 1 - 1/e of
    the best choice (Nemhauser, Wolsey & Fisher 1978).
    vectors (m, d) unit float32; weights (m,), > 0 -> (at most limit,) int32
    """
    require_matrix(vectors)
    require_vector(weights, length=len(vectors))
    cosines = np.clip(vectors @ vectors.T, 0, None)  # (m, m); facility location wants gains of 0 or more
    covered, chosen = np.zeros(len(vectors)), list[int]()
    while len(chosen) < min(limit, len(vectors)):
        gains = np.maximum(cosines - covered, 0) @ weights  # (m,)
        best = int(gains.argmax())
        if chosen and gains[best] < LEAST_GAIN * weights.sum():
            break
        chosen.append(best)
        covered = np.maximum(covered, cosines[best])
    return np.array(chosen, dtype=np.int32)
