"""Calibration: a list whose groups are as frequent as an actor's taste says (Steck 2018).

H. Steck, "Calibrated Recommendations", RecSys 2018: a list is chosen greedily by relevance minus the
divergence KL(target | list) of its groups from the target.
"""

from dataclasses import dataclass, field, replace

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

    @classmethod
    def none(cls, count: int) -> "Calibration":
        """One group that all candidates belong to, so that nothing is gained by any."""
        return cls(np.ones(1), np.zeros(count, np.int64), np.ones((1, 1)), 0.0)

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


@dataclass
class CalibrationState:
    """The groups of what was chosen so far, and what each candidate would add to the list's calibration."""

    calibration: Calibration
    held: Vector = field(init=False)  # (g,) float64, sums to the number of chosen candidates

    def __post_init__(self) -> None:
        self.held = np.zeros(len(self.calibration.target))

    def gains(self) -> Vector:
        """What the divergence costs after each candidate, negative: (n,) float64

        The divergence is multiplied by the length of the list. Steck adds up relevance over the list, so
        that the divergence, which has a bound, would decide the first places alone.
        """
        calibration = self.calibration
        after = self.held + calibration.memberships  # (k, g)
        length = after.sum(axis=1, keepdims=True)
        shares = (1 - SMOOTHING) * after / length + SMOOTHING * calibration.target
        ratios = np.divide(calibration.target, shares, out=np.ones_like(shares), where=calibration.target > 0)
        costs = length[:, 0] * (np.log(ratios) @ calibration.target)  # (k,)
        return (-calibration.strength * costs)[calibration.kinds]

    def add(self, row: int) -> None:
        """Count a chosen candidate."""
        self.held = self.held + self.calibration.memberships[self.calibration.kinds[row]]
