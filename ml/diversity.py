"""In which order candidates are shown, so that a page does not repeat itself.

Serving imports this module.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.arrays import Matrix, Rows, ShapeError, Vector, require_matrix, require_vector

WINDOW = 20  # places that lie together on a screen or a page: any so many in a row keep to the caps
RELEVANCE_SHARE = 0.9  # of a step's gain; the rest is unlikeness to what was chosen before
UNIT_TOLERANCE = 1e-2  # by which a length may differ from 1 after a vector was kept as float16
IN_NO_GROUP = -1
INTEGERS = (np.int16, np.int32, np.int64)


@dataclass(frozen=True)
class Cap:
    """How many rows of one group (a seller's, a category's) any window of places may show.

    groups (n,) int, -1 = in no group and never capped; most >= 1.   Raises ShapeError.
    """

    groups: Rows
    most: int

    def __post_init__(self) -> None:
        _require_groups(self.groups)
        if self.most < 1:
            raise ShapeError(f"expected a cap of 1 or more, found {self.most}")


def diversify(
    scores: Vector,
    vectors: Matrix,
    *,
    limit: int,
    caps: Sequence[Cap] = (),
    duplicates: Rows | None = None,
    relevance_share: float = RELEVANCE_SHARE,
    window: int = WINDOW,
) -> Rows:
    """The order in which to show candidates, by maximal marginal relevance (Carbonell & Goldstein 1998).

    Greedy: each place goes to the row of greatest share x relevance - (1 - share) x similarity. Relevance is
    the score scaled to [0, 1] over all candidates, similarity the greatest cosine to what was chosen before,
    0 at the least. Of equals the first row.
    scores (n,) float, finite; vectors (n, d) float32, of length 1, or zeros: unknown, and like nothing else.
    Any `window` places in a row keep to the caps. Where no row is left that does, the page does not end: the
    place goes to a row that exceeds them by as little as possible. duplicates (n,) int, -1 = none: of rows
    with the same number only one is ever shown, and that is not relaxed, so a page may end for it.
    500 x 640, limit 200, two caps: about 10 ms on one thread.
    Returns (at most min(limit, n),) int64, no row twice.   Raises ShapeError.
    """
    _require_candidates(scores, vectors, caps, duplicates)
    _require_settings(limit, relevance_share, window)
    relevance = relevance_share * scaled(scores)  # (n,)
    likeness = np.zeros(len(scores), np.float32)  # (n,): the greatest cosine to any row chosen so far
    counted = [_Counted.of(cap, window) for cap in caps]
    is_left = np.ones(len(scores), np.bool_)
    chosen = list[int]()
    while len(chosen) < limit and is_left.any():
        gains = relevance - (1 - relevance_share) * likeness
        best = int(np.argmax(np.where(_least_exceeding(counted, is_left), gains, -np.inf)))
        chosen.append(best)
        is_left[_shown_with(best, duplicates)] = False
        np.maximum(likeness, vectors @ vectors[best], out=likeness)
        for count in counted:
            count.show(best)
    return np.array(chosen, dtype=np.int64)


def scaled(scores: Vector) -> Vector:
    """Scores moved and stretched to [0, 1], all 0 where they are all alike.   (n,) finite -> (n,) float64"""
    wide = np.asarray(scores, np.float64)
    low = wide.min(initial=np.inf)
    spread = wide.max(initial=-np.inf) - low
    return (wide - low) / spread if spread > 0 else np.zeros(len(wide))


@dataclass(frozen=True)
class _Counted:
    """How often each group of a cap stands in the places that share a window with the next one."""

    groups: Rows  # (n,), groups numbered from 0; what is in none has the last number
    counts: np.ndarray  # (g + 1,) int64; the last stays 0
    most: int
    recent: deque[int]  # groups of the last window - 1 places

    @classmethod
    def of(cls, cap: Cap, window: int) -> "_Counted":
        names, groups = np.unique(cap.groups, return_inverse=True)
        groups = np.where(cap.groups == IN_NO_GROUP, len(names), groups)
        return cls(groups, np.zeros(len(names) + 1, np.int64), cap.most, deque([len(names)] * (window - 1)))

    def excess(self) -> Rows:
        """By how much each row would exceed the cap in the next place: (n,) int64, 0 = not at all"""
        return np.maximum(self.counts + 1 - self.most, 0)[self.groups]

    def show(self, row: int) -> None:
        """Count this row, and no longer the one that leaves the window."""
        self.recent.append(int(self.groups[row]))
        self.counts[self.recent[-1]] += 1
        self.counts[self.recent.popleft()] -= 1
        self.counts[-1] = 0


def _least_exceeding(counted: Sequence[_Counted], is_left: np.ndarray) -> np.ndarray:
    """Which of the rows that are left keep to all caps, or else exceed them least: (n,) bool -> (n,) bool"""
    if not counted:
        return is_left
    excess = sum((count.excess() for count in counted), np.zeros(len(is_left), np.int64))
    return is_left & (excess == excess[is_left].min())


def _shown_with(row: int, duplicates: Rows | None) -> Rows | np.ndarray:
    """What may not be shown after this row: itself, and what is as good as the same."""
    if duplicates is None or duplicates[row] == IN_NO_GROUP:
        return np.array([row])
    return duplicates == duplicates[row]


def _require_candidates(
    scores: Vector, vectors: Matrix, caps: Sequence[Cap], duplicates: Rows | None
) -> None:
    require_vector(scores)
    require_matrix(vectors, rows=len(scores), dtypes=[np.float32])
    if not np.isfinite(scores).all():
        raise ShapeError("expected a finite score of each candidate")
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    if not ((lengths == 0) | (np.abs(lengths - 1) <= UNIT_TOLERANCE)).all():
        raise ShapeError("expected vectors of length 1, or zeros")
    for cap in caps:
        require_vector(cap.groups, length=len(scores), dtypes=INTEGERS)
    if duplicates is not None:
        require_vector(duplicates, length=len(scores), dtypes=INTEGERS)
        _require_groups(duplicates)


def _require_groups(groups: Rows) -> None:
    require_vector(groups, dtypes=INTEGERS)
    if groups.min(initial=IN_NO_GROUP) < IN_NO_GROUP:
        raise ShapeError(f"expected groups from 0, or -1 for none, found {groups.min()}")


def _require_settings(limit: int, relevance_share: float, window: int) -> None:
    if limit < 0 or window < 1 or not 0 <= relevance_share <= 1:
        raise ShapeError(f"found limit {limit}, relevance share {relevance_share}, window {window}")
