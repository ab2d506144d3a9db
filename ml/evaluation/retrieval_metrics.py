"""Retrieval metrics for query vectors and a gallery of vectors: recall@k and the rank of the first hit."""

import numpy as np

from ml.arrays import Matrix, Rows, require_matrix, require_vector

CHUNK = 500  # queries that are scored at once


def recall_at(
    queries: Matrix, gallery: Matrix, targets: Rows, owners: Rows, k: int, *, own: Rows | None = None
) -> float:
    """Share of queries with a row of the target owner among their k nearest; 0 without queries.

    queries (q, d), gallery (g, d); targets (q,) int: the owner to find; owners (g,) int. own (q,): the row of
    the gallery that is the query itself and is left out.
    """
    require_matrix(gallery, columns=queries.shape[1])
    require_vector(targets, length=len(queries), dtypes=[np.int32, np.int64])
    require_vector(owners, length=len(gallery), dtypes=[np.int32, np.int64])
    if not len(queries):
        return 0.0
    return float((first_hit_ranks(queries, gallery, targets, owners, own=own) <= k).mean())


def first_hit_ranks(
    queries: Matrix, gallery: Matrix, targets: Rows, owners: Rows, *, own: Rows | None = None
) -> np.ndarray:
    """Rank of the first row of the target owner, 1 for the nearest; infinity when there is none.

    Arguments as in `recall_at`, -> (q,) float64. Ties rank rows of other owners first.
    """
    first_ranks = np.empty(len(queries))
    for start in range(0, len(queries), CHUNK):
        chunk = slice(start, start + CHUNK)
        scores = np.asarray(queries[chunk], np.float32) @ np.asarray(gallery, np.float32).T
        if own is not None:
            scores[np.arange(len(scores)), own[chunk]] = -np.inf
        is_target = owners[None, :] == targets[chunk, None]
        best = np.where(is_target, scores, -np.inf).max(axis=1)
        ahead = ((scores >= best[:, None]) & ~is_target).sum(axis=1) + 1.0
        first_ranks[chunk] = np.where(np.isinf(best), np.inf, ahead)
    return first_ranks
