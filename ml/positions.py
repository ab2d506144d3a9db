"""Look-up of the places that ids have in an array."""

from dataclasses import dataclass

import numpy as np

from ml.arrays import Rows


@dataclass(frozen=True)
class Positions:
    """Index from ids to their positions in an array of ids."""

    sorted_ids: np.ndarray  # (n,) int64
    order: np.ndarray  # (n,) int64: the position of each sorted id

    @classmethod
    def of(cls, ids: np.ndarray) -> "Positions":
        order = np.argsort(ids, kind="stable")
        return cls(ids[order], order)

    def find(self, ids: np.ndarray) -> Rows:
        """Positions of ids: (m,) int64 -> (m,) int64, -1 for ids that are not there."""
        if not len(self.sorted_ids):
            return np.full(len(ids), -1)
        slots = np.searchsorted(self.sorted_ids, ids).clip(max=len(self.sorted_ids) - 1)
        return np.where(self.sorted_ids[slots] == ids, self.order[slots], -1)
