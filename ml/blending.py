"""One score out of several sources that use different scales and do not all know every listing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.arrays import Matrix, Rows, ShapeError, Vector, require_matrix, require_vector

LEAST_DEVIATION = 1e-6  # of the largest value: below it a column is flat, and what is left is rounding
HALVINGS = 5  # of the step by which a weight is moved; the first is half the greatest weight
LEAST_GAIN = 0.0005  # of NDCG: a smaller one is chance, and does not move weights from where they start


def z_scores(scores: Matrix) -> Matrix:
    """Every column moved to mean 0 and scaled to deviation 1 over the rows it knows; NaN, for unknown, stays.

    A column that knows fewer than two rows, or scores them all alike, orders nothing: zeros where it knows.
    scores (n, s), NaN = unknown -> (n, s) float32
    """
    require_matrix(scores)
    known = ~np.isnan(scores)
    count = np.maximum(known.sum(axis=0), 1)  # (s,)
    values = np.where(known, scores, 0).astype(np.float64)
    centred = np.where(known, values - values.sum(axis=0) / count, 0)
    deviation = np.sqrt((centred**2).sum(axis=0) / count)
    flat = deviation <= LEAST_DEVIATION * np.abs(values).max(axis=0, initial=0)
    scaled = np.where(flat, 0, centred / np.where(flat, 1, deviation))
    return np.where(known, scaled, np.nan).astype(np.float32)


def blend(scores: Matrix, weights: Vector) -> Vector:
    """Weighted mean of z-scored columns, over the columns that know the row.

    scores (n, s), NaN = unknown; weights (s,), >= 0 -> (n,) float32, NaN where no weighted column knows.
    """
    require_vector(weights, length=scores.shape[1])
    return weighted_mean(z_scores(scores), weights)


def weighted_mean(scores: Matrix, weights: Vector) -> Vector:
    """Mean of each row over what it knows, NaN where that is nothing.   (n, s), (s,) -> (n,) float32"""
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
    """The weights of `blend` that order actors' candidates best: by mean NDCG@k (Järvelin & Kekäläinen 2002).

    For each actor scores (n, s), NaN = unknown, and relevant (n,) bool; start (s,) >= 0. Actors without
    anything relevant say nothing. Coordinate ascent: of all moves of one weight up or down by a step the best
    is made, and where none gains, the step is halved. The same arguments give the same weights.
    Returns (s,) float32 >= 0, never worse than the start. Raises ShapeError.
    """
    weights = require_vector(start).astype(np.float32)
    trials = Trials.of(scores, relevant, source_count=len(weights), k=k)
    reached = trials.ndcg(weights)
    for halving in range(HALVINGS):
        step = 0.5 ** (halving + 1) * (float(np.max(start, initial=0)) or 1.0)
        while moves := _moves(weights, step):
            found = [trials.ndcg(moved) for moved in moves]
            best = int(np.argmax(found))
            if found[best] <= reached + least_gain:
                break
            weights, reached = moves[best], found[best]
    return weights


@dataclass(frozen=True)
class Trials:
    """Actors' candidates, z-scored once and laid side by side, on which any weights can be tried.

    values, known (s, a, n) float32: z-scores, 0 where unknown, and 1 where known; n is that of the actor with
    most candidates, and at least k + 1. actors, places (m,): where the m relevant ones are.
    """

    values: np.ndarray
    known: np.ndarray
    actors: Rows
    places: Rows
    k: int

    @classmethod
    def of(
        cls, scores: Sequence[Matrix], relevant: Sequence[np.ndarray], *, source_count: int, k: int
    ) -> "Trials":
        """Of the actors for whom anything is relevant.   Raises ShapeError."""
        if len(scores) != len(relevant):
            raise ShapeError(f"candidates of {len(scores)} actors, but what is relevant to {len(relevant)}")
        for matrix, wanted in zip(scores, relevant, strict=True):
            require_matrix(matrix, columns=source_count)
            require_vector(wanted, length=len(matrix), dtypes=[np.bool_])
        told = [actor for actor, wanted in enumerate(relevant) if wanted.any()]
        width = max([k + 1, *(len(scores[actor]) for actor in told)])
        padded = np.full((source_count, len(told), width), np.nan, np.float32)
        for row, actor in enumerate(told):
            padded[:, row, : len(scores[actor])] = z_scores(scores[actor]).T
        places = [np.flatnonzero(relevant[actor]) for actor in told]
        return cls(
            values=np.nan_to_num(padded),
            known=(~np.isnan(padded)).astype(np.float32),
            actors=np.repeat(np.arange(len(told)), [len(some) for some in places]),
            places=np.concatenate([np.empty(0, np.int64), *places]),
            k=k,
        )

    def ndcg(self, weights: Vector) -> float:
        """Mean NDCG@k of what these weights (s,) blend. What ties is counted behind all that it ties with."""
        if not len(self.actors):
            return 0.0
        blended = self._blended(np.asarray(weights, np.float32))
        top = -np.partition(-blended, self.k, axis=1)[:, : self.k + 1]  # (a, k + 1), unordered
        own = blended[self.actors, self.places]  # (m,)
        ranks = (top[self.actors] >= own[:, None]).sum(axis=1) - 1  # (m,); k is beyond the last place
        gains = np.append(1 / np.log2(np.arange(self.k) + 2), 0)  # (k + 1,)
        reached = np.bincount(self.actors, gains[ranks])
        ideal = np.cumsum(gains)[np.minimum(np.bincount(self.actors), self.k) - 1]
        return float(np.mean(reached / ideal))

    def _blended(self, weights: Vector) -> Matrix:
        """As `blend`, -inf where nothing weighted knows: (s,) float32 -> (a, n) float32"""
        source_count, *shape = self.values.shape
        total = weights @ self.values.reshape(source_count, -1)
        weight = weights @ self.known.reshape(source_count, -1)
        unknown = np.full_like(total, -np.inf)
        return np.divide(total, weight, out=unknown, where=weight > 0).reshape(shape)


def _moves(weights: Vector, step: float) -> list[Vector]:
    """The weights with each one moved by a step, up and down, none below 0."""
    moves = []
    for source, weight in enumerate(weights.tolist()):
        for there in (weight + step, max(weight - step, 0.0)):
            moved = weights.copy()
            moved[source] = there
            moves.append(moved)
    return moves
