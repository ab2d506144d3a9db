"""From candidates to an order: by a learned ranker, or by z-scored sources weighed by how much is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ml.arrays import Matrix, Rows, Vector
from ml.blending import weighted_mean, z_scores
from ml.ranker import RankerModel
from recommendations.candidates import SOURCES, Candidates
from recommendations.recipe import Warmth
from recommendations.taste import Taste

# Set by hand for SOURCES: content, collaborative, covisitation, trending, fresh, place, affinity, popularity.
# Warmest actors first.
WARMTH_WEIGHTS: tuple[Warmth, ...] = (
    (20.0, (0.3, 0.24, 0.24, 0.05, 0.05, 0.05, 1.0, 0.05)),
    (5.0, (0.3, 0.15, 0.18, 0.06, 0.05, 0.05, 1.0, 0.05)),
    (0.0, (0.3, 0.09, 0.12, 0.09, 0.06, 0.05, 1.0, 0.05)),
)
# Of whom nothing is known, but perhaps where they are.
COLD_WEIGHTS = (0.0, 0.0, 0.0, 1.0, 0.6, 0.5, 0.0, 0.3)
PLACE = SOURCES.index("place")
STATED_PLACE = 0.3  # what place weighs at least for whoever says where they are


@dataclass(frozen=True)
class Ranked:
    """Candidates in order, best first, with all that made it so.

    rows (n,) int32; score (n,) float32, NaN where nothing is known; features (n, f) float32, NaN = unknown,
    by features.FEATURES; shares (n, s) float32, what each of SOURCES adds to the blend, NaN = unknown
    """

    rows: Rows
    score: Vector
    features: Matrix
    shares: Matrix
    weights: Vector  # (s,) float32, of SOURCES
    adjusted: Vector  # (n,) float32: what was added in the end

    @property
    def sources(self) -> Matrix:
        """What each source thinks of each row: (n, s) float32, NaN where it does not know it."""
        return self.features[:, : len(SOURCES)]


def rank(
    candidates: Candidates,
    taste: Taste,
    fitted: tuple[Warmth, ...] = (),
    *,
    ranker: RankerModel | None = None,
    adjusted: Vector | None = None,
    says_where: bool = False,
    multipliers: Mapping[str, float] = MappingProxyType({}),
) -> Ranked:
    """Order the candidates by the ranker, or by their blended score; equal scores keep the newer row first.

    adjusted (n,) float: what is added in the end, in the units of z-scores. says_where: who asks said where
    they are, rather than that it is known from what they touch. multipliers: of the weights of
    sources, by name; a ranker is asked with the blend that they give.
    """
    weights = weights_for(taste, fitted)
    if says_where:
        weights[PLACE] = max(weights[PLACE], STATED_PLACE)
    weights = weights * [multipliers.get(source, 1.0) for source in SOURCES]
    z = z_scores(candidates.scores)
    blended = weighted_mean(z, weights.astype(np.float32))
    features = np.column_stack([candidates.scores, blended, candidates.facts]).astype(np.float32)
    score = blended if ranker is None else z_scores(ranker.predict(features)[:, None])[:, 0]
    adjusted = np.zeros(len(score), np.float32) if adjusted is None else adjusted
    score = score + adjusted
    order = np.lexsort((-candidates.rows, -np.nan_to_num(score, nan=-np.inf)))
    return Ranked(
        rows=candidates.rows[order],
        score=score[order].astype(np.float32),
        features=features[order],
        shares=(z * weights)[order].astype(np.float32),
        weights=weights.astype(np.float32),
        adjusted=adjusted[order].astype(np.float32),
    )


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
