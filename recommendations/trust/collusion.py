"""Detection of collusion: groups of similar profiles that share listings which hardly anybody else touched.

One person with many accounts looks like this. To have a listing recommended to those who like certain other
listings, many profiles have to hold it together with them. These profiles are similar, and hardly anybody
else holds the promoted listing. Fans of one subject are similar too, but others share some of their listings.

Limits: it detects nothing where honest profiles overlap as much, as in a small shop, nor profiles padded with
so much else that they are hardly similar; those count for little in co-visitation. In the benchmarks'
simulated log of 7,000 shoppers, 208 colluding profiles count as one, and of 10,000 honest ones 3 are accused.
Colluding profiles that are padded with thirty listings by chance are not found among so many.
"""

import numpy as np
from scipy.sparse import csr_matrix

SHORTEST_PROFILE = 2  # listings; a shorter profile has no co-visitation
USUAL_QUANTILE = 0.9  # quantile of profiles whose closedness is usual
LEAST_USUAL_CIRCLE = 2.0  # two or three who agree are nothing unusual
# A circle is closed from so many times the usual on. Of honest profiles, simulated, at most 4 in 1,000 are.
SUSPICION = 3.0
SEVERITY = 2  # power: a circle that is twice as closed counts half as much, in total
LEAST_SIMILARITY = 0.2  # similarity; below it is what anybody shares through popular listings
SAMPLE_SIZE = 8000  # profiles, sampled, that each is compared with; all where there are fewer
CHUNK = 1024  # profiles compared in one block


def shares(profiles: csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """The share of each profile that counts, (a,) float64 in (0, 1], and its closedness, (a,) float64.

    profiles (a, n): stored entries mark interactions, whatever their value. Only profiles far beyond what is
    usual count less, so that hardly any honest one does. Nothing is detected where closed circles are usual:
    where everybody interacted with everything, as in a small shop, or where more than a tenth of the profiles
    collude.
    """
    circles = _circles(profiles)
    if not len(circles):
        return np.ones(0), circles
    usual = max(LEAST_USUAL_CIRCLE, float(np.quantile(circles, USUAL_QUANTILE)))
    is_closed = circles > SUSPICION * usual
    return np.where(is_closed, (usual / np.maximum(circles, usual)) ** SEVERITY, 1.0), circles


def _circles(profiles: csr_matrix) -> np.ndarray:
    """Closedness of each profile, (a,) float64: the greatest k * k / m of its listings.

    m is the number of other profiles that hold the listing, k the sum of their similarities to this profile,
    estimated from a sample where there are more than SAMPLE_SIZE profiles.
    """
    ones = np.ones(profiles.nnz, np.float32)
    touched = csr_matrix((ones, profiles.indices, profiles.indptr), shape=profiles.shape)
    others = np.maximum(np.bincount(touched.indices, minlength=touched.shape[1]) - 1, 1)
    count, lengths = touched.shape[0], np.diff(touched.indptr).astype(np.float64)
    drawn = np.sort(np.random.default_rng(0).permutation(count)[:SAMPLE_SIZE])
    compared, circles = touched[drawn], np.zeros(count)
    transposed = compared.T.tocsr()
    for first in range(0, count, CHUNK):
        chunk = touched[first : first + CHUNK]
        similarity = _similarity(chunk @ transposed, lengths, drawn, first)
        held = (similarity @ compared).multiply(chunk).tocsr()
        among = others[held.indices]
        held.data = np.minimum(held.data.astype(np.float64) * count / len(drawn), among) ** 2 / among
        circles[first : first + CHUNK] = held.max(axis=1).toarray().ravel()
    return circles


def _similarity(shared: csr_matrix, lengths: np.ndarray, drawn: np.ndarray, first: int) -> csr_matrix:
    """Similarity of the c profiles from `first` on to the s sampled ones, sparse (c, s) in [0, 1].

    shared (c, s): the number of listings that two profiles share. lengths (a,): of all profiles. The squared
    count over the geometric mean of both lengths, since two long profiles share more by chance.
    """
    row = first + np.repeat(np.arange(shared.shape[0]), np.diff(shared.indptr))
    other = drawn[shared.indices]
    similarity = np.minimum(1, shared.data**2 / np.sqrt(lengths[row] * lengths[other]))
    short = np.minimum(lengths[row], lengths[other]) < SHORTEST_PROFILE
    similarity[short | (similarity < LEAST_SIMILARITY) | (row == other)] = 0
    sparse = csr_matrix((similarity.astype(np.float32), shared.indices, shared.indptr), shape=shared.shape)
    sparse.eliminate_zeros()
    return sparse
