"""Where an actor looks, from the listings that they touched, and how soon that is too far."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from listings.serializers import COORDINATE_DIGITS
from ml.arrays import Matrix, Rows, Vector
from ml.geography import distances_km, nearness
from recommendations.affinity import key_of, paths_of
from recommendations.view import View

NEAR_KM = 25.0  # by which nearness falls to a third, where nothing was learned of a root category
OTHER_ROOT = 0.25  # what a place says of listings below another root category, beside one of their own

Here = tuple[float, float]  # latitude and longitude in degrees


@dataclass(frozen=True, eq=False)
class Habits:
    """Places of m touched listings, as the API shows them; empty for whoever touched nothing."""

    shares: Vector  # (m,) float32, how much each says; their sum is 1
    places: np.ndarray  # (m, 2) float32, latitude and longitude in degrees, NaN where unknown
    roots: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # (m,) their root categories

    @classmethod
    def none(cls) -> "Habits":
        return cls(np.empty(0, np.float32), np.empty((0, 2), np.float32))

    @classmethod
    def of(cls, weights: Vector, places: np.ndarray, category_ids: np.ndarray) -> "Habits":
        """Of touched listings: weights (m,) > 0, places (m, 2) in degrees, category_ids (m,) int64.

        Places are rounded: from scores over the exact ones it could be told where a seller lives.
        """
        shown = np.round(np.asarray(places, np.float64), COORDINATE_DIGITS).astype(np.float32)
        return cls((weights / weights.sum()).astype(np.float32), shown, paths_of(category_ids)[:, 0])

    @property
    def medoid(self) -> Here | None:
        """The touched place to which the others are nearest, by what each says; None where none is known."""
        known = ~np.isnan(self.places).any(axis=1)
        if not known.any():
            return None
        places = self.places[known]
        chosen = places[(distances_km(places, places) @ self.shares[known]).argmin()]
        return round(float(chosen[0]), COORDINATE_DIGITS), round(float(chosen[1]), COORDINATE_DIGITS)

    def place_scores(self, view: View, rows: Rows, here: Here | None = None) -> Vector:
        """How near each row lies to what was touched, or to `here` where that is given.

        The logarithm of the floor LEAST and the mean of exp(-distance / scale), where the scale is that of
        the row's root category. Touched listings below the same root count fully for it, others OTHER_ROOT.
        rows (n,) -> (n,) float32, NaN where either place is unknown
        """
        known = ~np.isnan(self.places).any(axis=1)
        if here is None and not known.any():
            return np.full(len(rows), np.nan, np.float32)
        roots = paths_of(view.attributes["category_id"][rows])[:, 0]
        places = np.array([here], np.float32) if here is not None else self.places[known]
        shares = self._shares_for(roots, known) if here is None else np.ones((len(rows), 1), np.float32)
        return np.log(nearness(distances_km(places_of(view, rows), places), shares, _scales(view, roots)))

    def _shares_for(self, roots: np.ndarray, known: np.ndarray) -> Matrix:
        """What each of the k known places says of listings below these roots (n,): (n, k), sums are 1"""
        if len(self.roots) != len(known):  # whoever made them did not tell
            return np.broadcast_to(self.shares[known] / self.shares[known].sum(), (len(roots), known.sum()))
        different, places = np.unique(roots, return_inverse=True)
        same = different[:, None] == self.roots[known]
        shares = self.shares[known] * np.where(same, 1, OTHER_ROOT).astype(np.float32)
        return (shares / shares.sum(axis=1, keepdims=True))[places]


def places_of(view: View, rows: Rows) -> Matrix:
    """(n,) -> (n, 2) float32 degrees, rounded as the API shows them, NaN where unknown"""
    attributes = view.attributes[rows]
    return np.column_stack([attributes["latitude"], attributes["longitude"]])


def _scales(view: View, roots: np.ndarray) -> Vector:
    """Kilometres by which nearness falls to a third, as learned or NEAR_KM: (n,) int64 -> (n,) float32"""
    decays: Mapping[str, float] = view.collaborative.recipe.decays if view.collaborative else {}
    learned = {key_of(path): km for path, km in decays.items()}
    different, places = np.unique(roots, return_inverse=True)
    return np.array([learned.get(root, NEAR_KM) for root in different.tolist()], np.float32)[places]
