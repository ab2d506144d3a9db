"""Metrics of rankings of logged slates, corrected for position bias, by which rankers are evaluated."""

import numpy as np

from ml.arrays import Vector, require_vector
from ml.ranking.lambdarank import GAINS, HIDDEN, NDCG_AT, NO_INTERACTION, Slates
from ml.ranking.position_bias import GREATEST_WEIGHT

SEED = 13


def graded_ndcg(slates: Slates, scores: Vector, *, k: int = NDCG_AT) -> Vector:
    """NDCG@k of each slate's rows in the order of these scores (Järvelin & Kekäläinen 2002).

    Gains are those that a ranker is trained with, times 1 / examined, clipped. Ties are broken by seeded
    random numbers, not by the logged order, which would favour the logging policy because of position bias.
    scores (n,) float, NaN last -> (q,) float64 in [0, 1].   Raises ShapeError.
    """
    require_vector(scores, length=len(slates.grades))
    gains = np.array(GAINS)[slates.grades - HIDDEN] * slates.weights(GREATEST_WEIGHT)
    return _dcg(slates, gains, np.nan_to_num(scores, nan=-np.inf), k) / _dcg(slates, gains, gains, k)


def slate_weights(slates: Slates) -> Vector:
    """Weights of slates in a mean: the mean of 1 / examined, clipped, over the rows with an interaction.

    Those rows stand for equally good ones that were not examined. With these weights a mean of NDCG over
    slates of one click each is a self-normalised inverse propensity estimate (Joachims, Swaminathan &
    Schnabel 2017).   (q,) float64, 1 for slates without interactions
    """
    slate_of_row = np.repeat(np.arange(len(slates.sizes)), slates.sizes)  # (n,)
    followed = slates.grades != NO_INTERACTION
    total = np.bincount(
        slate_of_row[followed], slates.weights(GREATEST_WEIGHT)[followed], minlength=len(slates.sizes)
    )
    counts = np.bincount(slate_of_row[followed], minlength=len(slates.sizes))
    return np.where(counts > 0, total / np.maximum(counts, 1), 1.0)


def _dcg(slates: Slates, gains: Vector, scores: Vector, k: int) -> Vector:
    """DCG@k of each slate in the order of these scores.   (n,), (n,) -> (q,) float64"""
    slate_of_row = np.repeat(np.arange(len(slates.sizes)), slates.sizes)  # (n,), in order
    tie_breaker = np.random.default_rng(SEED).random(len(slate_of_row))
    order = np.lexsort((tie_breaker, -scores, slate_of_row))
    place = np.arange(len(slate_of_row)) - np.repeat(np.cumsum(slates.sizes) - slates.sizes, slates.sizes)
    discounts = np.where(place < k, 1 / np.log2(place + 2.0), 0)
    return np.bincount(slate_of_row, gains[order] * discounts, minlength=len(slates.sizes)).astype(np.float64)
