"""One order out of several, by the places that each gives: no scale of scores has to be known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.arrays import Matrix, Rows, ShapeError, Vector, require_vector

# Of the paper, which found little difference between 20 and 100: it keeps a first place of one ranking from
# outweighing a second and a third of two others.
K = 60
INTEGERS = (np.int32, np.int64)


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
class Fused:
    """What the rankings hold, best first.

    rows (n,) int64, each once; parts (n, s) float64, what each ranking adds to the score, NaN where it does
    not hold a row; score (n,) float64, their sum.
    """

    rows: Rows
    score: Vector
    parts: Matrix


def reciprocal_rank(rankings: Sequence[Rows], weights: Vector, *, k: int = K) -> Fused:
    """Reciprocal rank fusion: sum over rankings of weight / (k + rank), the first rank being 1.

    Cormack, Clarke & Buettcher 2009. Each ranking (m,) int, best first, each row once; weights (s,) >= 0.
    Equal scores keep the greater row first, which was added later. Raises ShapeError.
    """
    if len(rankings) != len(weights):
        raise ShapeError(f"expected a weight a ranking, found {len(weights)} for {len(rankings)}")
    checked = [require_vector(np.asarray(ranking), dtypes=INTEGERS).astype(np.int64) for ranking in rankings]
    rows = np.unique(np.concatenate([*checked, np.empty(0, np.int64)]))
    parts = np.full((len(rows), len(checked)), np.nan)
    for column, (ranking, weight) in enumerate(zip(checked, weights, strict=True)):
        parts[np.searchsorted(rows, ranking), column] = weight / (k + 1 + np.arange(len(ranking)))
    score = np.nansum(parts, axis=1)
    order = np.lexsort((-rows, -score))
    return Fused(rows[order], score[order], parts[order])
