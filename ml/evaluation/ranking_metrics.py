"""Ranking metrics by actor, and bootstrap intervals of their means."""

import numpy as np
from scipy.sparse import csr_matrix

from ml.arrays import Matrix, Rows, ShapeError, Vector, require_matrix, require_vector

PADDING = -1  # padding of a ranking with fewer items than places


def top_k(scores: Matrix, k: int, excluded: csr_matrix | None = None) -> Rows:
    """The k best items of each actor, best first; of equal scores the lower item first.

    scores (a, n); items of NaN or -inf, and those stored in excluded (a, n), are never returned.
    Returns (a, min(k, n)) int64, padded with -1.   Raises ShapeError.
    """
    require_matrix(scores)
    _require_depth(k)
    usable = np.where(np.isnan(scores), -np.inf, scores)
    if excluded is not None:
        _require_sparse(excluded, rows=len(scores), columns=scores.shape[1])
        rows = np.repeat(np.arange(len(usable)), np.diff(excluded.indptr))
        usable[rows, excluded.indices] = -np.inf
    best = _candidates(usable, min(k, usable.shape[1]))
    values = np.take_along_axis(usable, best, axis=1)
    order = np.lexsort([best, -values], axis=1)
    best, values = np.take_along_axis(best, order, axis=1), np.take_along_axis(values, order, axis=1)
    return np.where(np.isneginf(values), PADDING, best)


def _candidates(scores: Matrix, k: int) -> Rows:
    """Items of the k greatest scores in each row, unordered; of equal scores at the edge the lower items.

    scores (a, n) without NaN, k <= n -> (a, k) int64
    """
    item_count = scores.shape[1]
    if k == item_count:
        return np.tile(np.arange(k), (len(scores), 1))
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]  # negated: ten times as fast among many zeros
    edge = np.take_along_axis(scores, best[:, -1:], axis=1)  # (a, 1), the least of the k
    is_tied = ((scores >= edge).sum(axis=1) > k) & ~np.isneginf(edge[:, 0])
    best[is_tied] = _lower_of_equals(scores[is_tied], edge[is_tied], k)
    return best


def _lower_of_equals(scores: Matrix, edge: Matrix, k: int) -> Rows:
    """Items above the edge (a, 1), and the lowest items of those on it: (a, n) -> (a, k) int64"""
    above, equal = scores > edge, scores == edge
    room = k - above.sum(axis=1, keepdims=True)  # (a, 1)
    kept = above | (equal & (equal.cumsum(axis=1, dtype=np.int32) <= room))
    return np.nonzero(kept)[1].reshape(-1, k)


def recall(ranked: Rows, relevant: csr_matrix, k: int) -> Vector:
    """Share of the relevant items that are among the first k, as in LightGCN (He et al. 2020).

    For this and the three metrics below: ranked (a, any) int, no item twice, padded with -1; rankings
    narrower than k are taken as padded. relevant (a, n): every stored entry counts.
    Returns (a,) float64, NaN for an actor without relevant items.   Raises ShapeError.
    """
    return _over(_hits(ranked, relevant, k).sum(axis=1), _count(relevant))


def hit_rate(ranked: Rows, relevant: csr_matrix, k: int) -> Vector:
    """1 if any relevant item is among the first k, else 0; see `recall`."""
    hit = _hits(ranked, relevant, k).any(axis=1).astype(np.float64)
    return np.where(_count(relevant) > 0, hit, np.nan)


def ndcg(ranked: Rows, relevant: csr_matrix, k: int) -> Vector:
    """Gains discounted by log2 of the place, over the ideal (Järvelin & Kekäläinen 2002); see `recall`."""
    hits = _hits(ranked, relevant, k)
    gains = 1 / np.log2(np.arange(k) + 2)  # (k,)
    ideal = np.concatenate([[0], np.cumsum(gains)])[np.minimum(_count(relevant), k)]
    return _over(hits @ gains[: hits.shape[1]], ideal)


def average_precision(ranked: Rows, relevant: csr_matrix, k: int) -> Vector:
    """Sum of the precisions at the hits among the first k, over the greatest possible number of hits.

    Convention: it divides by min(relevant items, k), so that a perfect ranking has 1. Others, trec_eval among
    them, divide by all relevant items, which gives less where there are more than k.
    Its mean over actors is MAP@k (Manning, Raghavan & Schütze 2008, section 8.4, cut off at k); see `recall`.
    """
    hits = _hits(ranked, relevant, k)
    precision = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)  # (a, <= k)
    return _over((precision * hits).sum(axis=1), np.minimum(_count(relevant), k))


def coverage(ranked: Rows, item_count: int) -> float:
    """Share of all items that are recommended to any actor, 0 without items.   Raises ShapeError."""
    _require_ranking(ranked, item_count)
    return len(np.unique(ranked[ranked >= 0])) / max(item_count, 1)


def novelty(ranked: Rows, popularity: Vector) -> float:
    """Mean self-information -log2(popularity) of recommended items, in bits (Zhou et al. 2010).

    ranked (a, k) int, padded with -1; popularity (n,) in [0, 1]: share of actors who touched the item. An
    item that nobody touched gets half the least nonzero popularity, so its novelty is finite and greatest.
    NaN when nothing is recommended, or nobody touched anything.   Raises ShapeError.
    """
    require_vector(popularity)
    _require_ranking(ranked, len(popularity))
    if not ((popularity >= 0) & (popularity <= 1)).all():
        raise ShapeError("expected popularity as shares in [0, 1]")
    touched, shown = popularity[popularity > 0], popularity[ranked[ranked >= 0]]
    if not len(touched) or not len(shown):
        return float("nan")
    return float(-np.log2(np.maximum(shown, touched.min() / 2), dtype=np.float64).mean())


def bootstrap_interval(
    values: Vector, *, rng: np.random.Generator, sample_count: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Interval of the mean over actors (a,), without NaN, by the percentile bootstrap (Efron 1979).

    Returns NaN, NaN when no value is left.   Raises ShapeError.
    """
    require_vector(values)
    means = _resampled_means(values[:, None], rng, sample_count)
    return _percentiles(means[:, 0], level)


def bootstrap_difference(
    first: Vector, second: Vector, *, rng: np.random.Generator, sample_count: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Paired interval of mean(first - second) over the same actors (a,); see `bootstrap_interval`.

    Actors for whom either is NaN are left out.
    """
    require_vector(first)
    require_vector(second, length=len(first))
    return bootstrap_interval(first - second, rng=rng, sample_count=sample_count, level=level)


def bootstrap_ratio(
    numerator: Vector,
    denominator: Vector,
    *,
    rng: np.random.Generator,
    sample_count: int = 1000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Paired interval of mean(numerator) / mean(denominator) over the same actors (a,).

    denominator >= 0. Actors for whom either is NaN are left out. Returns NaN, NaN when the denominator is 0
    in any bootstrap sample.   Raises ShapeError.
    """
    require_vector(numerator)
    require_vector(denominator, length=len(numerator))
    means = _resampled_means(np.column_stack([numerator, denominator]), rng, sample_count)
    return _percentiles(_over(means[:, 0], means[:, 1]), level)


def _resampled_means(values: Matrix, rng: np.random.Generator, sample_count: int) -> Matrix:
    """Means of bootstrap samples of the actors without NaN: (a, c) -> (sample_count, c) float64

    Samples are drawn one by one, so that memory holds only one count per actor.
    """
    known = values[~np.isnan(values).any(axis=1)].astype(np.float64)
    means = np.full((sample_count, values.shape[1]), np.nan)
    if actor_count := len(known):
        for sample in means:
            times = np.bincount(rng.integers(actor_count, size=actor_count), minlength=actor_count)
            sample[:] = times @ known / actor_count
    return means


def _percentiles(values: Vector, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _hits(ranked: Rows, relevant: csr_matrix, k: int) -> np.ndarray:
    """Mask of the first k places that hold a relevant item: (a, <= k) bool.   Raises ShapeError."""
    _require_depth(k)
    _require_sparse(relevant, rows=len(ranked))
    _require_once(relevant)
    _require_ranking(ranked, relevant.shape[1])
    first = ranked[:, :k]
    # Actor and item encoded as one number, so that one np.isin serves all actors.
    keys = np.arange(len(first))[:, None] * relevant.shape[1] + first
    wanted = np.repeat(np.arange(len(first)), _count(relevant)) * relevant.shape[1] + relevant.indices
    return np.isin(keys, wanted) & (first >= 0)


def _count(relevant: csr_matrix) -> Rows:
    """Number of entries that each row stores: (a,)"""
    return np.diff(relevant.indptr)


def _require_ranking(ranked: Rows, item_count: int) -> None:
    require_matrix(ranked, dtypes=[np.int64, np.int32])
    if ranked.max(initial=PADDING) >= item_count:
        raise ShapeError(f"expected items below {item_count}, found item {ranked.max()}")


def _require_sparse(matrix: csr_matrix, *, rows: int, columns: int | None = None) -> None:
    fits = matrix.shape[0] == rows and columns in (None, matrix.shape[1])
    if matrix.format != "csr" or not fits:
        wanted = f"a csr matrix {(rows, columns or 'any')}"
        raise ShapeError(f"expected {wanted}, found {matrix.format} {matrix.shape}")


def _require_once(matrix: csr_matrix) -> None:
    """Raises ShapeError if an entry is stored twice, since it would be counted twice."""
    if not matrix.has_canonical_format:
        canonical = matrix.copy()
        canonical.sum_duplicates()
        if canonical.nnz < matrix.nnz:
            raise ShapeError("expected each entry stored once, found duplicates; call sum_duplicates() first")


def _require_depth(k: int) -> None:
    if k < 1:
        raise ShapeError(f"expected a ranking of 1 place or more, found k = {k}")


def _over(values: np.ndarray, counts: np.ndarray) -> Vector:
    """values / counts, NaN where a count is 0."""
    counts = np.asarray(counts, np.float64)
    return np.divide(values, counts, out=np.full(len(counts), np.nan), where=counts > 0)
