"""Holdout cases: histories of actors up to a moment, and the listings that they first touched after it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from ml.arrays import Matrix, Vector
from ml.evaluation.ranking_metrics import ndcg, top_k
from ml.positions import Positions
from recommendations.collaborative.history import InteractionHistory

AT = 20
CHUNK = 100  # actors whose scores are in memory at once
SEED = 12


@dataclass(frozen=True)
class HoldoutCases:
    """Histories and right answers of a actors, over the n listings that anybody had touched by the moment.

    touched (a, n) float32 weights; relevant (a, n): an entry is stored for a listing touched afterwards.
    """

    listing_ids: np.ndarray  # (n,) int64
    touched: csr_matrix
    relevant: csr_matrix

    @classmethod
    def between(cls, earlier: InteractionHistory, later: InteractionHistory, *, most: int) -> "HoldoutCases":
        """Cases of a seeded sample of at most `most` actors.

        `later` extends `earlier`. Actors and listings that only `later` has are left out.
        """
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
        """NDCG@20 of each actor (a,) float64; scores_of: history weights (m, n) -> scores (m, n)."""
        values = [
            ndcg(top_k(scores_of(touched), AT, excluded=touched), relevant, AT)
            for touched, relevant in self._chunks()
        ]
        return np.concatenate([np.empty(0), *values])

    def _chunks(self) -> Iterator[tuple[csr_matrix, csr_matrix]]:
        for first in range(0, len(self), CHUNK):
            yield self.touched[first : first + CHUNK], self.relevant[first : first + CHUNK]


def _matrix_of(history: InteractionHistory, actors: np.ndarray, listing_ids: np.ndarray) -> csr_matrix:
    """1 where one of these actors interacted with one of these listings: (a, n) float32"""
    rows = Positions.of(actors).find(history.actor_ids)
    columns = Positions.of(listing_ids).find(history.listing_ids)
    known = (rows >= 0) & (columns >= 0)
    ones = np.ones(int(known.sum()), np.float32)
    return csr_matrix((ones, (rows[known], columns[known])), shape=(len(actors), len(listing_ids)))
