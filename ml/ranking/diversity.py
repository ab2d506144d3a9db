"""Re-ranking for diversity: maximal marginal relevance with group caps and removal of duplicates.

Serving imports this module.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ml.arrays import Matrix, Rows, ShapeError, Vector, require_matrix, require_vector
from ml.ranking.calibration import Calibration, CalibrationState

WINDOW = 20  # consecutive places that a screen or page shows together; caps hold in every such window
RELEVANCE_SHARE = 0.9  # weight of relevance in the gain of a step; the rest penalises similarity
UNIT_TOLERANCE = 1e-2  # difference of a length from 1 that storing a vector as float16 may cause
IN_NO_GROUP = -1
EXCESS_COST = 1e6  # of exceeding a cap by one: more than all other gains
INTEGERS = (np.int16, np.int32, np.int64)


@dataclass(frozen=True)
class Cap:
    """The greatest number of rows of one group (a seller, a category) in any window of places.

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
    calibration: Calibration | None = None,
    first: Sequence[int] = (),
    relevance_share: float = RELEVANCE_SHARE,
    window: int = WINDOW,
) -> Rows:
    """Order candidates by maximal marginal relevance (Carbonell & Goldstein 1998).

    Greedy: each place goes to the row of greatest share x relevance - (1 - share) x similarity. Relevance is
    the score scaled to [0, 1] over all candidates. Similarity is the greatest cosine to the rows chosen
    before, at least 0. A calibration adds its gains. Ties go to the first row. first: rows that take the
    first places, in this order.
    scores (n,) float, finite; vectors (n, d) float32, of length 1, or zeros for unknown, similar to nothing.
    Caps hold in any `window` consecutive places. When no remaining row satisfies them, the place goes to the
    row that exceeds them least. duplicates (n,) int, -1 = none: of rows with the same number only one is ever
    shown. This is never relaxed, so the result may be shorter than limit.
    200 x 512, limit 200, two caps: about 3 ms on one thread.
    Returns (at most min(limit, n),) int64, no row twice.   Raises ShapeError.
    """
    _require_candidates(scores, vectors, caps, duplicates, calibration)
    _require_settings(limit, relevance_share, window)
    greedy = _Greedy(
        relevance=relevance_share * scaled(scores),
        likeness=(1 - relevance_share) * (vectors @ vectors.T),
        duplicates=duplicates,
        capped=[_WindowCounts(cap, window) for cap in caps],
        drift=None if calibration is None else CalibrationState(calibration),
    )
    for row in first:
        greedy.place(row)
    while len(greedy.chosen) < limit and (best := greedy.best()) is not None:
        greedy.place(best)
    return np.array(greedy.chosen[:limit], dtype=np.int64)


def scaled(scores: Vector) -> Vector:
    """Scores scaled linearly to [0, 1], all 0 if they are equal.   (n,) finite -> (n,) float64"""
    wide = np.asarray(scores, np.float64)
    low = wide.min(initial=np.inf)
    spread = wide.max(initial=-np.inf) - low
    return (wide - low) / spread if spread > 0 else np.zeros(len(wide))


class _WindowCounts:
    """Counts of a cap's groups in the places that share a window with the next one.

    cost (n,) float64: of each row if it took the next place and exceeded the cap, 0 = within it.
    """

    def __init__(self, cap: Cap, window: int) -> None:
        names, groups = np.unique(cap.groups, return_inverse=True)
        order = np.argsort(groups, kind="stable")
        starts = np.cumsum(np.bincount(groups, minlength=len(names)))[:-1]
        self._groups: list[int] = groups.tolist()
        self._members = np.split(order, starts)  # of each group, the rows
        self._is_capped: list[bool] = (names != IN_NO_GROUP).tolist()
        self._counts, self._excess, self._most = [0] * len(names), [0] * len(names), cap.most
        self._recent: deque[int | None] = deque([None] * (window - 1))  # groups of the last places
        self.cost = np.zeros(len(cap.groups))

    def add(self, row: int) -> None:
        """Count this row, and drop the one that leaves the window."""
        self._recent.append(self._groups[row])
        self._change(self._groups[row], 1)
        if (left := self._recent.popleft()) is not None:
            self._change(left, -1)

    def _change(self, group: int, by: int) -> None:
        self._counts[group] += by
        if self._is_capped[group]:
            excess = max(self._counts[group] + 1 - self._most, 0)
            if excess != self._excess[group]:
                self._excess[group] = excess
                self.cost[self._members[group]] = EXCESS_COST * excess


@dataclass
class _Greedy:
    """The rows placed so far, and what decides the next place; see `diversify`."""

    relevance: Vector  # (n,) float64, weighed; -inf for rows that may not be placed any more
    likeness: Matrix  # (n, n) float32, cosines, weighed
    duplicates: Rows | None
    capped: list[_WindowCounts]
    drift: CalibrationState | None
    chosen: list[int] = field(default_factory=list)
    similarity: Vector = field(init=False)  # (n,) float32: the greatest likeness to any row placed so far

    def __post_init__(self) -> None:
        self.similarity = np.zeros(len(self.relevance), np.float32)

    def best(self) -> int | None:
        """The row for the next place; None when none is left."""
        if not len(self.relevance):
            return None
        gains = self.relevance - self.similarity
        if self.drift is not None:
            gains += self.drift.gains()
        for window_counts in self.capped:
            gains -= window_counts.cost
        best = int(gains.argmax())
        return best if gains[best] > -np.inf else None

    def place(self, row: int) -> None:
        """Give the next place to a row."""
        self.chosen.append(row)
        self.relevance[_same_as(row, self.duplicates)] = -np.inf
        if self.drift is not None:
            self.drift.add(row)
        np.maximum(self.similarity, self.likeness[row], out=self.similarity)
        for window_counts in self.capped:
            window_counts.add(row)


def _same_as(row: int, duplicates: Rows | None) -> int | np.ndarray:
    """The rows that may not be shown after this one: itself and its duplicates."""
    if duplicates is None or duplicates[row] == IN_NO_GROUP:
        return row
    return duplicates == duplicates[row]


def _require_candidates(
    scores: Vector,
    vectors: Matrix,
    caps: Sequence[Cap],
    duplicates: Rows | None,
    calibration: Calibration | None,
) -> None:
    require_vector(scores)
    require_matrix(vectors, rows=len(scores), dtypes=[np.float32])
    if not np.isfinite(scores).all():
        raise ShapeError("expected finite scores, found NaN or infinity")
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    if not ((lengths == 0) | (np.abs(lengths - 1) <= UNIT_TOLERANCE)).all():
        raise ShapeError("expected vectors of length 1, or zeros")
    for cap in caps:
        require_vector(cap.groups, length=len(scores), dtypes=INTEGERS)
    if calibration is not None:
        require_vector(calibration.kinds, length=len(scores), dtypes=INTEGERS)
    if duplicates is not None:
        require_vector(duplicates, length=len(scores), dtypes=INTEGERS)
        _require_groups(duplicates)


def _require_groups(groups: Rows) -> None:
    require_vector(groups, dtypes=INTEGERS)
    if groups.min(initial=IN_NO_GROUP) < IN_NO_GROUP:
        raise ShapeError(f"expected groups from 0, or -1 for none, found {groups.min()}")


def _require_settings(limit: int, relevance_share: float, window: int) -> None:
    if limit < 0 or window < 1 or not 0 <= relevance_share <= 1:
        raise ShapeError(
            f"expected limit >= 0, relevance_share in [0, 1] and window >= 1, "
            f"found {limit}, {relevance_share} and {window}"
        )
