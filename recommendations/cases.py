"""Questions with known answers: what actors had touched by a moment, and what they touched first after it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from ml.arrays import Matrix, Vector
from ml.metrics import ndcg, top_k
from recommendations.behaviour import Behaviour
from recommendations.columns import Positions

AT = 20
CHUNK = 100  # actors that are ranked for at once
SEED = 12


@dataclass(frozen=True)
class Cases:
    """For each of a actors, over the n listings that anybody had touched by the moment.

    touched (a, n) float32 weights; relevant (a, n): where something is stored, it was touched afterwards.
    """

    listing_ids: np.ndarray  # (n,) int64
    touched: csr_matrix
    relevant: csr_matrix

    @classmethod
    def between(cls, earlier: Behaviour, later: Behaviour, *, most: int) -> "Cases":
        """Of at most so many actors. `later` reaches on from `earlier`; what only it knows is left out."""
        listing_ids, actors = earlier.listings, earlier.actors
        touched = earlier.matrix(listing_ids)
        relevant = _matrix_of(later, actors, listing_ids)
        relevant = (relevant - relevant.multiply(touched > 0)).tocsr()
        relevant.eliminate_zeros()
        chosen = np.flatnonzero(np.diff(relevant.indptr))
        if len(chosen) > most:
            chosen = np.sort(np.random.default_rng(SEED).choice(chosen, size=most, replace=False))
        return cls(listing_ids, touched[chosen], relevant[chosen])

    def __len__(self) -> int:
        return self.touched.shape[0]

    def ndcg(self, scores_of: Callable[[csr_matrix], Matrix]) -> Vector:
        """NDCG@20 of each actor (a,) float64; scores_of: what was touched (m, n) -> scores (m, n)."""
        measured = [
            ndcg(top_k(scores_of(touched), AT, excluded=touched), relevant, AT)
            for touched, relevant in self._chunks()
        ]
        return np.concatenate([np.empty(0), *measured])

    def _chunks(self) -> Iterator[tuple[csr_matrix, csr_matrix]]:
        for first in range(0, len(self), CHUNK):
            yield self.touched[first : first + CHUNK], self.relevant[first : first + CHUNK]


def _matrix_of(behaviour: Behaviour, actors: np.ndarray, listing_ids: np.ndarray) -> csr_matrix:
    """1 where one of these actors touched one of these listings: (a, n) float32"""
    rows = Positions.of(actors).find(behaviour.actor_ids)
    columns = Positions.of(listing_ids).find(behaviour.listing_ids)
    known = (rows >= 0) & (columns >= 0)
    ones = np.ones(int(known.sum()), np.float32)
    return csr_matrix((ones, (rows[known], columns[known])), shape=(len(actors), len(listing_ids)))
