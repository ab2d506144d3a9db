"""How good rankings are, actor by actor: the measures, and how sure one can be of their means."""

import numpy as np
from scipy.sparse import csr_matrix

from ml.arrays import Matrix, Rows, Vector, require_matrix, require_vector

NOBODY = -1  # in a ranking: nothing was left to recommend
CHUNK = 100  # bootstrap samples that are drawn at once


def top_k(scores: Matrix, k: int, excluded: csr_matrix | None = None) -> Rows:
    """The k best items of each actor, best first; of equal scores the lower item first.

    scores (a, n), where NaN and -inf are never recommended, nor what is stored in excluded (a, n).
    Returns (a, min(k, n)) int64, -1 where nothing is left.
    """
    require_matrix(scores)
    usable = np.where(np.isnan(scores), -np.inf, scores)
    if excluded is not None:
        rows = np.repeat(np.arange(len(usable)), np.diff(excluded.indptr))
        usable[rows, excluded.indices] = -np.inf
    best = _candidates(usable, min(k, usable.shape[1]))
    values = np.take_along_axis(usable, best, axis=1)
    order = np.lexsort([best, -values], axis=1)
    best, values = np.take_along_axis(best, order, axis=1), np.take_along_axis(values, order, axis=1)
    return np.where(np.isneginf(values), NOBODY, best)


def _candidates(scores: Matrix, k: int) -> Rows:
    """The items of the k greatest scores in each row, unordered; at the edge the lower of equal ones."""
    if k == scores.shape[1]:
        return np.tile(np.arange(k), (len(scores), 1))
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    edge = np.take_along_axis(scores, best, axis=1).min(axis=1, keepdims=True)
    is_tied = np.isfinite(edge[:, 0]) & ((scores >= edge).sum(axis=1) > k)
    for row in np.flatnonzero(is_tied):
        best[row] = np.lexsort([np.arange(scores.shape[1]), -scores[row]])[:k]
    return best


def recall(ranked: Rows, relevant: csr_matrix, k: int) -> Vector:
    """Which share of what is relevant is among the first k, as LightGCN counts it (He et al. 2020).

    Of this and the measures below: ranked (a, >= k) int, -1 where nothing; relevant (a, n), what is stored
    counts -> (a,) float64, NaN for an actor with nothing relevant.
    """
    return _over(_hits(ranked, relevant, k).sum(axis=1), _count(relevant))


def hit_rate(ranked: Rows, relevant: csr_matrix, k: int) -> Vector:
    """1 where anything relevant is among the first k, else 0."""
    hit = _hits(ranked, relevant, k).any(axis=1).astype(np.float64)
    return np.where(_count(relevant) > 0, hit, np.nan)


def ndcg(ranked: Rows, relevant: csr_matrix, k: int) -> Vector:
    """Gains discounted by log2 of the place, over the best that was possible (Järvelin & Kekäläinen 2002)."""
    gains = 1 / np.log2(np.arange(k) + 2)
    ideal = np.concatenate([[0], np.cumsum(gains)])[np.minimum(_count(relevant), k)]
    hits = _hits(ranked, relevant, k)
    return _over(hits @ gains[: hits.shape[1]], ideal)


def average_precision(ranked: Rows, relevant: csr_matrix, k: int) -> Vector:
    """Mean precision at each hit among the first k, over the hits that were possible."""
    hits = _hits(ranked, relevant, k)
    precision = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    return _over((precision * hits).sum(axis=1), np.minimum(_count(relevant), k))


def coverage(ranked: Rows, item_count: int) -> float:
    """The share of all items that anybody is recommended."""
    return len(np.unique(ranked[ranked >= 0])) / max(item_count, 1)


def novelty(ranked: Rows, popularity: Vector) -> float:
    """Mean -log2 of the share of people who touched what is recommended (Zhou et al. 2010), in bits.

    popularity (n,): that share, in [0, 1]; one that nobody touched counts as half of the least touched.
    NaN where nothing is recommended.
    """
    require_vector(popularity)
    touched = popularity[popularity > 0]
    floor = touched.min() / 2 if len(touched) else 1.0
    shown = popularity[ranked[ranked >= 0]]
    return float(-np.log2(np.maximum(shown, floor)).mean()) if len(shown) else float("nan")


def bootstrap_interval(
    values: Vector, *, rng: np.random.Generator, sample_count: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Between what the mean over actors lies, NaN left out: the percentile bootstrap (Efron 1979)."""
    means = _resampled_means(values[:, None], rng, sample_count)
    return _percentiles(means[:, 0], level)


def bootstrap_difference(
    first: Vector, second: Vector, *, rng: np.random.Generator, sample_count: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Between what mean(first - second) lies, the actors being the same in both."""
    return bootstrap_interval(first - second, rng=rng, sample_count=sample_count, level=level)


def bootstrap_ratio(
    numerator: Vector,
    denominator: Vector,
    *,
    rng: np.random.Generator,
    sample_count: int = 1000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Between what mean(numerator) / mean(denominator) lies, the actors being the same in both."""
    require_vector(denominator, length=len(numerator))
    means = _resampled_means(np.column_stack([numerator, denominator]), rng, sample_count)
    return _percentiles(_over(means[:, 0], means[:, 1]), level)


def _resampled_means(values: Matrix, rng: np.random.Generator, sample_count: int) -> Matrix:
    """Means of as many actors drawn with replacement, again and again: (a, c) -> (sample_count, c)"""
    told = values[~np.isnan(values).any(axis=1)]
    if not len(told):
        return np.full((sample_count, values.shape[1]), np.nan)
    chances = np.full(len(told), 1 / len(told))
    sizes = [CHUNK] * (sample_count // CHUNK) + [sample_count % CHUNK]
    return np.concatenate([rng.multinomial(len(told), chances, size) @ told / len(told) for size in sizes])


def _percentiles(values: Vector, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _hits(ranked: Rows, relevant: csr_matrix, k: int) -> np.ndarray:
    """Which places hold something relevant: (a, <= k) bool"""
    item_count = relevant.shape[1]
    actors = np.arange(len(ranked))[:, None]
    keys = actors * item_count + ranked[:, :k]
    wanted = np.repeat(np.arange(len(ranked)), _count(relevant)) * item_count + relevant.indices
    return np.isin(keys, wanted) & (ranked[:, :k] >= 0)


def _count(relevant: csr_matrix) -> np.ndarray:
    return np.diff(relevant.indptr)


def _over(values: np.ndarray, counts: np.ndarray) -> Vector:
    """values / counts, NaN where a count is 0."""
    counts = np.asarray(counts, np.float64)
    return np.divide(values, counts, out=np.full(len(counts), np.nan), where=counts > 0)
