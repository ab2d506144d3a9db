"""Who wants what only people like them want: one person with many accounts looks like that.

To bring a listing before those who like other ones, many profiles have to hold it together with them. So
these profiles are alike, and hardly anybody else holds the listing. Fans of one thing are alike as well, but
of what they like, others like some too.

It sees nothing where honest profiles overlap as much, as in a small shop, nor profiles that are filled with
so much else that they are hardly alike: those count for little in co-visitation. In the benchmarks' simulated
log of 7,000 shoppers it makes 208 profiles count as 0 to 29, according to how they are filled.
"""

import numpy as np
from scipy.sparse import csr_matrix

SHORTEST = 2  # listings: a shorter profile leads nobody from one to another
USUAL = 0.9  # so many of all profiles are left alone
COUPLE = 2.0  # so are, however unusual that is, two or three who agree
SEVERITY = 2  # a circle twice as closed as is usual counts half as much as that, all of it together
LEAST = 0.2  # of likeness: what is less is what anybody shares who saw something popular
COMPARED = 8000  # profiles, drawn by chance, with which each is compared: with all where there are fewer
CHUNK = 1024  # profiles that are compared at once


def shares(profiles: csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """How much of each profile is to count, (a,) float64 in (0, 1], and how closed a circle it is part of.

    profiles (a, n): who touched what; stored entries count, whatever their value. Where everybody touched
    everything, as in a small shop, closed circles are usual, and nothing is found. Nor is it when one in ten
    profiles is part of the same game.
    """
    circles = _circles(profiles)
    if not len(circles):
        return np.ones(0), circles
    usual = max(COUPLE, float(np.quantile(circles, USUAL)))
    return (usual / np.maximum(circles, usual)) ** SEVERITY, circles


def _circles(profiles: csr_matrix) -> np.ndarray:
    """(a,) float64: the greatest k * k / m of the listings in a profile.

    m others hold the listing too, and k is how alike this profile is to theirs, summed; estimated where
    there are more profiles than are compared.
    """
    ones = np.ones(profiles.nnz, np.float32)
    seen = csr_matrix((ones, profiles.indices, profiles.indptr), shape=profiles.shape)
    others = np.maximum(np.bincount(seen.indices, minlength=seen.shape[1]) - 1, 1)
    count, lengths = seen.shape[0], np.diff(seen.indptr).astype(np.float64)
    drawn = np.sort(np.random.default_rng(0).permutation(count)[:COMPARED])
    compared, circles = seen[drawn], np.zeros(count)
    transposed = compared.T.tocsr()
    for first in range(0, count, CHUNK):
        chunk = seen[first : first + CHUNK]
        alike = _alike(chunk @ transposed, lengths, drawn, first)
        held = (alike @ compared).multiply(chunk).tocsr()
        among = others[held.indices]
        held.data = np.minimum(held.data.astype(np.float64) * count / len(drawn), among) ** 2 / among
        circles[first : first + CHUNK] = held.max(axis=1).toarray().ravel()
    return circles


def _alike(shared: csr_matrix, lengths: np.ndarray, drawn: np.ndarray, first: int) -> csr_matrix:
    """How alike (c, s) profiles from `first` on and those drawn are, by how many listings they share.

    lengths (a,): of all profiles. From 0 to 1: the squared count over the geometric mean of both lengths,
    since by chance two long profiles share more.
    """
    row = first + np.repeat(np.arange(shared.shape[0]), np.diff(shared.indptr))
    other = drawn[shared.indices]
    alike = np.minimum(1, shared.data**2 / np.sqrt(lengths[row] * lengths[other]))
    short = np.minimum(lengths[row], lengths[other]) < SHORTEST
    alike[short | (alike < LEAST) | (row == other)] = 0
    found = csr_matrix((alike.astype(np.float32), shared.indices, shared.indptr), shape=shared.shape)
    found.eliminate_zeros()
    return found
