"""Reciprocal rank fusion: one ranking from several, by ranks alone, whatever the scales of their scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.arrays import Matrix, Rows, ShapeError, Vector, require_vector

# The paper's value; it found little difference between 20 and 100. It keeps a first place in one ranking from
# outweighing a second and a third place in two others.
K = 60
INTEGERS = (np.int32, np.int64)


@dataclass(frozen=True, eq=False)  # == of arrays is not a bool
class FusedRanking:
    """The fused ranking, best first.

    rows (n,) int64, each once; parts (n, s) float64, the contribution of each ranking to the score, NaN where
    it lacks the row; score (n,) float64, the sum of the parts.
    """

    rows: Rows
    score: Vector
    parts: Matrix


def reciprocal_rank(rankings: Sequence[Rows], weights: Vector, *, k: int = K) -> FusedRanking:
    """Reciprocal rank fusion: sum over rankings of weight / (k + rank), the first rank being 1.

    Cormack, Clarke & Buettcher 2009. Each ranking (m,) int, best first, each row once; weights (s,) >= 0.
    Of equal scores the greater row, which was added later, comes first. Raises ShapeError.
    """
    if len(rankings) != len(weights):
        raise ShapeError(f"expected one weight per ranking, found {len(weights)} for {len(rankings)}")
    checked = [require_vector(np.asarray(ranking), dtypes=INTEGERS).astype(np.int64) for ranking in rankings]
    rows = np.unique(np.concatenate([*checked, np.empty(0, np.int64)]))
    parts = np.full((len(rows), len(checked)), np.nan)
    for column, (ranking, weight) in enumerate(zip(checked, weights, strict=True)):
        parts[np.searchsorted(rows, ranking), column] = weight / (k + 1 + np.arange(len(ranking)))
    score = np.nansum(parts, axis=1)
    order = np.lexsort((-rows, -score))
    return FusedRanking(rows[order], score[order], parts[order])
