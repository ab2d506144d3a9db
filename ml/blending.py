"""One score out of several sources that use different scales and do not all know every listing."""

import numpy as np

from ml.arrays import Matrix, Vector, require_matrix, require_vector

LEAST_DEVIATION = 1e-6  # of the largest value: below it a column is flat, and what is left is rounding


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
