"""Where an actor looks, from the listings that they touched."""

from dataclasses import dataclass

import numpy as np

from ml.arrays import Rows, Vector
from ml.geography import distances_km
from recommendations.view import View

NEAR_KM = 25.0  # by which nearness falls to a third
LEAST = 0.02  # what is far from everything is not ever farther


@dataclass(frozen=True, eq=False)
class Habits:
    """Places of m touched listings; empty for whoever touched nothing."""

    shares: Vector  # (m,) float32, how much each says; their sum is 1
    places: np.ndarray  # (m, 2) float32, latitude and longitude in degrees, NaN where unknown

    @classmethod
    def none(cls) -> "Habits":
        return cls(np.empty(0, np.float32), np.empty((0, 2), np.float32))

    def place_scores(self, view: View, rows: Rows) -> Vector:
        """How near each row lies to what was touched.   -> (n,) float32, NaN where either place is unknown"""
        known = ~np.isnan(self.places[:, 0])
        if not known.any():
            return np.full(len(rows), np.nan, np.float32)
        attributes = view.attributes[rows]
        here = np.column_stack([attributes["latitude"], attributes["longitude"]])
        near = np.exp(-distances_km(here, self.places[known]) / NEAR_KM)  # (n, known)
        shares = self.shares[known] / self.shares[known].sum()
        return np.log(near @ shares + LEAST)
