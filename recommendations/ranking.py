"""From candidates to an order: z-scored sources, weighed by how much is known of the actor."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ml.arrays import Matrix, Rows, Vector
from ml.blending import blend
from recommendations.candidates import SOURCES, Candidates
from recommendations.recipe import Warmth
from recommendations.taste import Taste

# Set by hand for SOURCES (content, collaborative, covisitation, trending, fresh, place, affinity); warmest
# actors first.
WARMTH_WEIGHTS: tuple[Warmth, ...] = (
    (20.0, (0.3, 0.24, 0.24, 0.05, 0.05, 0.05, 1.0)),
    (5.0, (0.3, 0.15, 0.18, 0.06, 0.05, 0.05, 1.0)),
    (0.0, (0.3, 0.09, 0.12, 0.09, 0.06, 0.05, 1.0)),
)
COLD_WEIGHTS = (0.0, 0.0, 0.0, 1.0, 0.6, 0.0, 0.0)  # of whom nothing is known


@dataclass(frozen=True)
class Ranked:
    """Candidates in order, best first.   rows (n,) int32; score (n,) and sources (n, s) float32"""

    rows: Rows
    score: Vector
    sources: Matrix


def rank(
    candidates: Candidates,
    taste: Taste,
    fitted: tuple[Warmth, ...] = (),
    *,
    boosted: Vector | None = None,
    multipliers: Mapping[str, float] = MappingProxyType({}),
) -> Ranked:
    """Order the candidates by their blended score; equal scores keep the newer row first.

    boosted (n,), > 0: what staff show more or less of; a z-score can be negative, so a factor's logarithm is
    added. multipliers: of the weights of sources, by name.
    """
    weights = weights_for(taste, fitted) * [multipliers.get(source, 1.0) for source in SOURCES]
    score = blend(candidates.scores, weights.astype(np.float32))
    if boosted is not None:
        score = score + np.log(boosted)
    order = np.lexsort((-candidates.rows, -np.nan_to_num(score, nan=-np.inf)))
    return Ranked(candidates.rows[order], score[order], candidates.scores[order])


def weights_for(taste: Taste, fitted: tuple[Warmth, ...] = ()) -> Vector:
    """(s,) float32: the warmer the actor, the more the behaviour of others says.

    Those fitted with a model come first. By hand is what they leave out, or all when they are for other
    sources than these.
    """
    if any(len(weights) != len(SOURCES) for _, weights in fitted):
        fitted = ()
    for least, weights in (*fitted, *WARMTH_WEIGHTS):
        if taste.event_weight > least:
            return np.array(weights, np.float32)
    return np.array(COLD_WEIGHTS, np.float32)
