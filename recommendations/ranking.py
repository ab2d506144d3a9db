"""From candidates to an order: z-scored sources, weighed by how much is known of the actor."""

from dataclasses import dataclass

import numpy as np

from ml.arrays import Matrix, Rows, Vector
from ml.blending import blend
from recommendations.candidates import Candidates
from recommendations.taste import Taste

# Weights of SOURCES (content, collaborative, trending, fresh) by how many views' worth is known of the actor.
WARMTH_WEIGHTS: list[tuple[float, tuple[float, float, float, float]]] = [
    (20.0, (1.0, 1.2, 0.15, 0.10)),
    (5.0, (1.0, 0.8, 0.20, 0.15)),
    (0.0, (1.0, 0.4, 0.30, 0.20)),
]
COLD_WEIGHTS = (0.0, 0.0, 1.0, 0.6)


@dataclass(frozen=True)
class Ranked:
    """Candidates in order, best first.   rows (n,) int64; score (n,) and sources (n, s) float32"""

    rows: Rows
    score: Vector
    sources: Matrix


def rank(candidates: Candidates, taste: Taste) -> Ranked:
    """Order the candidates by their blended score; equal scores keep the newer row first."""
    score = blend(candidates.scores, weights_for(taste))
    order = np.lexsort((-candidates.rows, -np.nan_to_num(score, nan=-np.inf)))
    return Ranked(candidates.rows[order], score[order], candidates.scores[order])


def weights_for(taste: Taste) -> Vector:
    """(s,) float32: the warmer the actor, the more the behaviour of others says."""
    for least, weights in WARMTH_WEIGHTS:
        if taste.event_weight > least:
            return np.array(weights, np.float32)
    return np.array(COLD_WEIGHTS, np.float32)
