"""How often what is asked for is among the first that are found: for queries and a gallery of unit rows."""

import numpy as np

from ml.arrays import Matrix, Rows, require_matrix, require_vector

CHUNK = 500  # queries that are scored at once


def recall_at(
    queries: Matrix, gallery: Matrix, asked: Rows, owners: Rows, k: int, *, own: Rows | None = None
) -> float:
    """Share of the queries among whose k nearest rows one has the owner that they ask for; 0 for none.

    queries (q, d), gallery (g, d); asked (q,) int, owners (g,) int. own (q,): the row of the gallery that
    each query itself is, which does not count.
    """
    require_matrix(gallery, columns=queries.shape[1])
    require_vector(asked, length=len(queries), dtypes=[np.int32, np.int64])
    require_vector(owners, length=len(gallery), dtypes=[np.int32, np.int64])
    if not len(queries):
        return 0.0
    return float((ranks(queries, gallery, asked, owners, own=own) <= k).mean())


def ranks(
    queries: Matrix, gallery: Matrix, asked: Rows, owners: Rows, *, own: Rows | None = None
) -> np.ndarray:
    """Where the first row of the owner asked for stands, 1 for the nearest; infinity when there is none.

    As `recall_at`, -> (q,) float64. Of equally near rows the others come first.
    """
    found = np.empty(len(queries))
    for start in range(0, len(queries), CHUNK):
        chunk = slice(start, start + CHUNK)
        scores = np.asarray(queries[chunk], np.float32) @ np.asarray(gallery, np.float32).T
        if own is not None:
            scores[np.arange(len(scores)), own[chunk]] = -np.inf
        wanted = owners[None, :] == asked[chunk, None]
        best = np.where(wanted, scores, -np.inf).max(axis=1)
        ahead = ((scores >= best[:, None]) & ~wanted).sum(axis=1) + 1.0
        found[chunk] = np.where(np.isinf(best), np.inf, ahead)
    return found
