"""Calibration: a list whose groups are as frequent as an actor's taste says (Steck 2018).

H. Steck, "Calibrated Recommendations", RecSys 2018: a list is chosen greedily by relevance minus the
divergence KL(target | list) of its groups from the target.
"""

from dataclasses import dataclass, replace

import numpy as np

from ml.arrays import Matrix, Rows, ShapeError, Vector, require_matrix, require_vector

SMOOTHING = 0.01  # share of the target that is mixed into a list's distribution, so that no ratio is infinite


@dataclass(frozen=True)
class Calibration:
    """The distribution over g groups that a list shall have, and the groups of n candidates.

    target (g,) float64 >= 0, sums to 1; kinds (n,) int: the kind of each candidate; memberships (k, g)
    float64: the share of each group in a candidate of each kind, rows sum to 1; strength >= 0: relevance, on
    its scale from 0 to 1, that one unit of divergence costs at the first place.   Raises ShapeError.
    """

    target: Vector
    kinds: Rows
    memberships: Matrix
    strength: float

    def of(self, rows: Rows) -> "Calibration":
        """The same for these candidates: (m,) int"""
        return replace(self, kinds=self.kinds[rows])

    def __post_init__(self) -> None:
        require_vector(self.target, dtypes=[np.float64])
        require_matrix(self.memberships, columns=len(self.target), dtypes=[np.float64])
        require_vector(self.kinds, dtypes=[np.int64])
        kinds = range(len(self.memberships))
        if len(self.kinds) and not (self.kinds.min() in kinds and self.kinds.max() in kinds):
            raise ShapeError(f"expected kinds from 0 to {len(self.memberships) - 1}")
        if not np.isclose(self.target.sum(), 1) or (self.target < 0).any() or self.strength < 0:
            raise ShapeError(f"expected shares that sum to 1 and a strength >= 0, found {self.target}")


class CalibrationState:
    """The groups of what was chosen so far, and what each candidate would add to the list's calibration."""

    def __init__(self, calibration: Calibration) -> None:
        wanted = calibration.target > 0  # other groups cost nothing
        self._calibration, self._length = calibration, 0
        self._target = calibration.target[wanted]  # (w,)
        self._least_cost = self._target @ np.log(self._target)
        # What each kind (k, w), and what was chosen (w,), add to the shares of a list of length 1.
        self._of_kinds = (1 - SMOOTHING) * calibration.memberships[:, wanted]
        self._held = np.zeros(len(self._target))

    def gains(self) -> Vector:
        """What the divergence costs after each candidate, negative: (n,) float64

        The divergence is multiplied by the length of the list. Steck adds up relevance over the list, so
        that the divergence, which has a bound, would decide the first places alone.
        """
        length = self._length + 1
        shares = (self._held + self._of_kinds) / length + SMOOTHING * self._target  # (k, w)
        costs = length * (self._least_cost - np.log(shares) @ self._target)  # (k,)
        return (-self._calibration.strength * costs)[self._calibration.kinds]

    def add(self, row: int) -> None:
        """Count a chosen candidate."""
        self._held = self._held + self._of_kinds[self._calibration.kinds[row]]
        self._length += 1
