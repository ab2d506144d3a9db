"""Ranking of candidates: by a learned ranker, or by a blend of z-scored sources.

The weights of the blend depend on how much is known of the actor (their warmth).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ml.arrays import Matrix, Rows, Vector
from ml.ranking.blending import weighted_mean, z_scores
from ml.ranking.lambdarank import RankerModel
from recommendations.collaborative.config import BlendBucket
from recommendations.models.feature_names import SOURCES
from recommendations.retrieval.candidates import Candidates
from recommendations.taste.profile import UserProfile

# Set by hand for SOURCES: content, collaborative, covisitation, trending, fresh, place, affinity, popularity.
# Warmest actors first.
WARMTH_WEIGHTS: tuple[BlendBucket, ...] = (
    (20.0, (0.3, 0.24, 0.24, 0.05, 0.05, 0.05, 1.0, 0.05)),
    (5.0, (0.3, 0.15, 0.18, 0.06, 0.05, 0.05, 1.0, 0.05)),
    (0.0, (0.3, 0.09, 0.12, 0.09, 0.06, 0.05, 1.0, 0.05)),
)
# For an actor of whom nothing is known, except perhaps their location.
COLD_WEIGHTS = (0.0, 0.0, 0.0, 1.0, 0.6, 0.5, 0.0, 0.3)
PLACE = SOURCES.index("place")
STATED_PLACE = 0.3  # the least weight of place where the caller states a location


@dataclass(frozen=True)
class Ranked:
    """Candidates in order, best first, with everything that determined the order.

    rows (n,) int32; score (n,) float32, NaN where nothing is known; features (n, len(FEATURES)) float32,
    NaN = unknown; shares (n, s) float32, the contribution of each of SOURCES to the blend, NaN = unknown.
    """

    rows: Rows
    score: Vector
    features: Matrix
    shares: Matrix
    weights: Vector  # (s,) float32, of SOURCES
    adjusted: Vector  # (n,) float32: what boosts and penalties added to the score

    @property
    def sources(self) -> Matrix:
        """The score of each row from each source: (n, s) float32, NaN = unknown."""
        return self.features[:, : len(SOURCES)]


def rank(
    candidates: Candidates,
    profile: UserProfile,
    fitted: tuple[BlendBucket, ...] = (),
    *,
    ranker: RankerModel | None = None,
    adjusted: Vector | None = None,
    states_location: bool = False,
    multipliers: Mapping[str, float] = MappingProxyType({}),
) -> Ranked:
    """Order the candidates by the ranker, else by the blend; of equal scores the newer row comes first.

    fitted: the weights of a trained model, as `source_weights_for` takes them. adjusted (n,) float: added to
    the scores, in the units of z-scores. states_location: the caller stated a location, rather than that it
    was inferred. multipliers: of the weights of sources, by name; the blend that they give is a feature of
    the ranker, too.
    """
    weights = source_weights_for(profile, fitted)
    if states_location:
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


def source_weights_for(profile: UserProfile, fitted: tuple[BlendBucket, ...] = ()) -> Vector:
    """The weights of the sources for this actor: (s,) float32. Warm actors depend more on others' behaviour.

    fitted: weights trained with a model, by least warmth, the warmest first. WARMTH_WEIGHTS apply below
    them, and to everybody where the model was fitted for other sources than these.
    """
    if any(len(weights) != len(SOURCES) for _, weights in fitted):
        fitted = ()
    for least_weight, weights in (*fitted, *WARMTH_WEIGHTS):
        if profile.event_weight > least_weight:
            return np.array(weights, np.float32)
    return np.array(COLD_WEIGHTS, np.float32)
