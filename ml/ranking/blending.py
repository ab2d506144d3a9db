"""Blending of scores from several sources that use different scales and do not all know every listing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.arrays import Matrix, Rows, ShapeError, Vector, require_matrix, require_vector

LEAST_DEVIATION = 1e-6  # relative to the largest value; below it a column is constant up to rounding
HALVINGS = 5  # of the step by which a weight is moved; the first step is half the greatest weight
LEAST_GAIN = 0.0005  # of NDCG; a smaller gain is taken for chance and does not move a weight


def z_scores(scores: Matrix) -> Matrix:
    """Columns standardised to mean 0 and deviation 1 over the rows they know; NaN stays NaN.

    A column that knows fewer than two rows, or scores them all equally, becomes 0 where it is known.
    scores (n, s), NaN = unknown -> (n, s) float32
    """
    require_matrix(scores)
    known = ~np.isnan(scores)
    means, deviations = np.array(column_scales(scores), np.float64).reshape(-1, 2).T
    centred = np.where(known, np.where(known, scores, 0).astype(np.float64) - means, 0)
    scaled = np.where(deviations == 0, 0, centred / np.where(deviations == 0, 1, deviations))
    return np.where(known, scaled, np.nan).astype(np.float32)


def column_scales(scores: Matrix) -> list[tuple[float, float]]:
    """Mean and deviation of each column over the rows it knows; a deviation of 0 for a constant column.

    scores (n, s), NaN = unknown -> s pairs
    """
    known = ~np.isnan(scores)
    count = np.maximum(known.sum(axis=0), 1)  # (s,)
    values = np.where(known, scores, 0).astype(np.float64)
    means = values.sum(axis=0) / count
    centred = np.where(known, values - means, 0)
    deviations = np.sqrt((centred**2).sum(axis=0) / count)
    flat = deviations <= LEAST_DEVIATION * np.abs(values).max(axis=0, initial=0)
    return list(zip(means.tolist(), np.where(flat, 0, deviations).tolist(), strict=True))


def blend(scores: Matrix, weights: Vector) -> Vector:
    """Weighted mean of z-scored columns, over the columns that know the row.

    scores (n, s), NaN = unknown; weights (s,), >= 0 -> (n,) float32, NaN where no weighted column knows it.
    """
    require_vector(weights, length=scores.shape[1])
    return weighted_mean(z_scores(scores), weights)


def weighted_mean(scores: Matrix, weights: Vector) -> Vector:
    """Weighted mean of each row over its known values, NaN without any.   (n, s), (s,) -> (n,) float32"""
    known = ~np.isnan(scores)
    weight = known @ weights  # (n,)
    total = np.where(known, scores, 0) @ weights  # (n,)
    return np.divide(total, weight, out=np.full(len(scores), np.nan), where=weight > 0).astype(np.float32)


def fit_weights(
    scores: Sequence[Matrix],
    relevant: Sequence[np.ndarray],
    *,
    start: Vector,
    k: int = 20,
    least_gain: float = LEAST_GAIN,
) -> Vector:
    """Weights for `blend` that maximise the mean NDCG@k of actors' candidates (Järvelin & Kekäläinen 2002).

    For each actor scores (n, s), NaN = unknown, and relevant (n,) bool; start (s,) >= 0. Actors without
    anything relevant are left out. Coordinate ascent: each round makes the best move of one weight by one
    step up or down; when no move gains, the step is halved. The same arguments give the same weights.
    Returns (s,) float32 >= 0, never worse than the start. Raises ShapeError.
    """
    weights = require_vector(start).astype(np.float32)
    trials = BlendTrials.of(scores, relevant, source_count=len(weights), k=k)
    best_ndcg = trials.ndcg(weights)
    for halving in range(HALVINGS):
        step = 0.5 ** (halving + 1) * (float(np.max(start, initial=0)) or 1.0)
        while moves := _moves(weights, step):
            trial_ndcgs = [trials.ndcg(moved) for moved in moves]
            best = int(np.argmax(trial_ndcgs))
            if trial_ndcgs[best] <= best_ndcg + least_gain:
                break
            weights, best_ndcg = moves[best], trial_ndcgs[best]
    return weights


@dataclass(frozen=True)
class BlendTrials:
    """Actors' candidates, z-scored once and padded into one array, to evaluate many weights quickly.

    values, known (s, a, n) float32: z-scores, 0 where unknown, and 1 where known; n is the greatest number of
    candidates of an actor, and at least k + 1. actors, places (m,): positions of the m relevant candidates.
    """

    values: np.ndarray
    known: np.ndarray
    actors: Rows
    places: Rows
    k: int

    @classmethod
    def of(
        cls, scores: Sequence[Matrix], relevant: Sequence[np.ndarray], *, source_count: int, k: int
    ) -> "BlendTrials":
        """From the actors with at least one relevant candidate.   Raises ShapeError."""
        if len(scores) != len(relevant):
            raise ShapeError(
                f"expected scores and relevance of the same actors, found {len(scores)} and {len(relevant)}"
            )
        for matrix, is_relevant in zip(scores, relevant, strict=True):
            require_matrix(matrix, columns=source_count)
            require_vector(is_relevant, length=len(matrix), dtypes=[np.bool_])
        judged = [actor for actor, is_relevant in enumerate(relevant) if is_relevant.any()]
        width = max([k + 1, *(len(scores[actor]) for actor in judged)])
        padded = np.full((source_count, len(judged), width), np.nan, np.float32)
        for row, actor in enumerate(judged):
            padded[:, row, : len(scores[actor])] = z_scores(scores[actor]).T
        places = [np.flatnonzero(relevant[actor]) for actor in judged]
        return cls(
            values=np.nan_to_num(padded),
            known=(~np.isnan(padded)).astype(np.float32),
            actors=np.repeat(np.arange(len(judged)), [len(own) for own in places]),
            places=np.concatenate([np.empty(0, np.int64), *places]),
            k=k,
        )

    def ndcg(self, weights: Vector) -> float:
        """Mean NDCG@k of the blend by these weights (s,). A tied candidate ranks behind all it ties with."""
        if not len(self.actors):
            return 0.0
        blended = self._blended(np.asarray(weights, np.float32))
        top = -np.partition(-blended, self.k, axis=1)[:, : self.k + 1]  # (a, k + 1), unordered
        own = blended[self.actors, self.places]  # (m,)
        ranks = (top[self.actors] >= own[:, None]).sum(axis=1) - 1  # (m,); k is beyond the last place
        gains = np.append(1 / np.log2(np.arange(self.k) + 2), 0)  # (k + 1,)
        dcg = np.bincount(self.actors, gains[ranks])
        ideal = np.cumsum(gains)[np.minimum(np.bincount(self.actors), self.k) - 1]
        return float(np.mean(dcg / ideal))

    def _blended(self, weights: Vector) -> Matrix:
        """As `blend`, but -inf where no weighted column knows the row: (s,) float32 -> (a, n) float32"""
        source_count, *shape = self.values.shape
        total = weights @ self.values.reshape(source_count, -1)
        weight = weights @ self.known.reshape(source_count, -1)
        unknown = np.full_like(total, -np.inf)
        return np.divide(total, weight, out=unknown, where=weight > 0).reshape(shape)


def _moves(weights: Vector, step: float) -> list[Vector]:
    """All weights that differ from these in one weight by one step, up or down, none below 0."""
    moves = []
    for source, weight in enumerate(weights.tolist()):
        for value in (weight + step, max(weight - step, 0.0)):
            moved = weights.copy()
            moved[source] = value
            moves.append(moved)
    return moves
