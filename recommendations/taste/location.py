"""Location profile: places of touched listings, and nearness to them by a distance decay per category."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from listings.api.serializers import COORDINATE_DIGITS
from ml.arrays import Matrix, Rows, Vector
from ml.ranking.geography import distances_km, nearness
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.taste.category_paths import key_of, paths_of

DEFAULT_DECAY_KM = 25.0  # default distance decay, for root categories without a fitted one
OTHER_ROOT_WEIGHT = 0.25  # the weight of a place for listings of another root category, relative to their own

Location = tuple[float, float]  # latitude and longitude in degrees


@dataclass(frozen=True, eq=False)
class LocationProfile:
    """Places of m touched listings, as the API shows them; empty without any."""

    shares: Vector  # (m,) float32, the weight of each; their sum is 1
    places: np.ndarray  # (m, 2) float32, latitude and longitude in degrees, NaN where unknown
    roots: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # (m,) their root categories

    @classmethod
    def none(cls) -> "LocationProfile":
        return cls(np.empty(0, np.float32), np.empty((0, 2), np.float32))

    @classmethod
    def of(cls, weights: Vector, places: np.ndarray, category_ids: np.ndarray) -> "LocationProfile":
        """From touched listings: weights (m,) > 0, places (m, 2) in degrees, category_ids (m,) int64.

        Places are rounded, since scores over the exact ones would reveal where a seller lives.
        """
        shown = np.round(np.asarray(places, np.float64), COORDINATE_DIGITS).astype(np.float32)
        return cls((weights / weights.sum()).astype(np.float32), shown, paths_of(category_ids)[:, 0])

    @property
    def medoid(self) -> Location | None:
        """The touched place with the least weighted distance to the others; None where none is known."""
        known = ~np.isnan(self.places).any(axis=1)
        if not known.any():
            return None
        places = self.places[known]
        chosen = places[(distances_km(places, places) @ self.shares[known]).argmin()]
        return round(float(chosen[0]), COORDINATE_DIGITS), round(float(chosen[1]), COORDINATE_DIGITS)

    def place_scores(
        self, snapshot: CatalogueSnapshot, rows: Rows, location: Location | None = None
    ) -> Vector:
        """Nearness of each row to the touched places, or to `location` where that is given.

        The logarithm of the sum of LEAST_NEARNESS and the weighted mean of exp(-distance / scale), where the
        scale is the distance decay of the row's root category. Touched listings of the same root category
        count fully, others by OTHER_ROOT_WEIGHT.   rows (n,) -> (n,) float32, NaN where either place is
        unknown
        """
        known = ~np.isnan(self.places).any(axis=1)
        if location is None and not known.any():
            return np.full(len(rows), np.nan, np.float32)
        roots = paths_of(snapshot.attributes["category_id"][rows])[:, 0]
        places = np.array([location], np.float32) if location is not None else self.places[known]
        shares = self._shares_for(roots, known) if location is None else np.ones((len(rows), 1), np.float32)
        return np.log(
            nearness(distances_km(places_of(snapshot, rows), places), shares, _scales(snapshot, roots))
        )

    def _shares_for(self, roots: np.ndarray, known: np.ndarray) -> Matrix:
        """Weights of the k known places for listings of root categories (n,): (n, k), each row sums to 1"""
        if len(self.roots) != len(known):  # they were made without categories
            return np.broadcast_to(self.shares[known] / self.shares[known].sum(), (len(roots), known.sum()))
        different, places = np.unique(roots, return_inverse=True)
        same = different[:, None] == self.roots[known]
        shares = self.shares[known] * np.where(same, 1, OTHER_ROOT_WEIGHT).astype(np.float32)
        return (shares / shares.sum(axis=1, keepdims=True))[places]


def places_of(snapshot: CatalogueSnapshot, rows: Rows) -> Matrix:
    """Coordinates of rows: (n,) -> (n, 2) float32 degrees, rounded as in the API, NaN where unknown"""
    attributes = snapshot.attributes[rows]
    return np.column_stack([attributes["latitude"], attributes["longitude"]])


def _scales(snapshot: CatalogueSnapshot, roots: np.ndarray) -> Vector:
    """Distance decay of root categories, fitted or DEFAULT_DECAY_KM: (n,) int64 -> (n,) float32

    It is the distance in km over which nearness falls to 1 / e.
    """
    decays: Mapping[str, float] = snapshot.collaborative.recipe.decays if snapshot.collaborative else {}
    fitted = {key_of(path): km for path, km in decays.items()}
    different, places = np.unique(roots, return_inverse=True)
    return np.array([fitted.get(root, DEFAULT_DECAY_KM) for root in different.tolist()], np.float32)[places]
