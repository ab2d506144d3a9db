"""How good an order of slates is by what followed, position bias corrected: what a ranker is judged by."""

import numpy as np

from ml.arrays import Vector, require_vector
from ml.examination import GREATEST_WEIGHT
from ml.ranker import GAINS, HIDDEN, NDCG_AT, NOTHING, Slates

SEED = 13


def graded_ndcg(slates: Slates, scores: Vector, *, k: int = NDCG_AT) -> Vector:
    """NDCG@k of each slate's rows in the order of these scores (Järvelin & Kekäläinen 2002).

    Gains are those that a ranker learns by, each for what it stands for: 1 / examined, clipped. Equal scores
    are ordered by chance that is seeded, not by where rows stood: what was above was clicked for standing
    there. scores (n,) float, NaN behind all others -> (q,) float64 in [0, 1].   Raises ShapeError.
    """
    require_vector(scores, length=len(slates.grades))
    gains = np.array(GAINS)[slates.grades - HIDDEN] * slates.weights(GREATEST_WEIGHT)
    return _dcg(slates, gains, np.nan_to_num(scores, nan=-np.inf), k) / _dcg(slates, gains, gains, k)


def standing_for(slates: Slates) -> Vector:
    """How much each slate counts in a mean over slates: what followed from its places stands for what was
    overlooked there, so it is the mean of their 1 / examined, clipped.

    With it a mean of NDCG over slates of one click each is self-normalised by inverse propensity (Joachims,
    Swaminathan & Schnabel 2017).   (q,) float64, 1 where nothing followed
    """
    own = np.repeat(np.arange(len(slates.sizes)), slates.sizes)  # (n,)
    followed = slates.grades != NOTHING
    total = np.bincount(own[followed], slates.weights(GREATEST_WEIGHT)[followed], minlength=len(slates.sizes))
    counts = np.bincount(own[followed], minlength=len(slates.sizes))
    return np.where(counts > 0, total / np.maximum(counts, 1), 1.0)


def _dcg(slates: Slates, gains: Vector, scores: Vector, k: int) -> Vector:
    """(n,), (n,) -> (q,) float64"""
    own = np.repeat(np.arange(len(slates.sizes)), slates.sizes)  # (n,), in order
    chance = np.random.default_rng(SEED).random(len(own))
    order = np.lexsort((chance, -scores, own))
    place = np.arange(len(own)) - np.repeat(np.cumsum(slates.sizes) - slates.sizes, slates.sizes)
    discounts = np.where(place < k, 1 / np.log2(place + 2.0), 0)
    return np.bincount(own, gains[order] * discounts, minlength=len(slates.sizes)).astype(np.float64)
