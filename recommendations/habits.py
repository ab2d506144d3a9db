"""What an actor usually pays and how far they look, from the listings that they touched."""

from dataclasses import dataclass

import numpy as np
from django.db.models.functions import Coalesce

from listings.models import Category
from ml.arrays import Rows, Vector
from ml.geography import distances_km
from recommendations.view import View

PRICE_WIDTH = 0.5  # in natural logarithms: a price speaks for those within a factor of 1.6 or so
ELSEWHERE = 0.15  # what a price of another root category says, beside one of the same
NEAR_KM = 50.0  # by which nearness falls to a third
LEAST = 0.02  # what is far from everything is not ever farther


_roots: dict[int, int] = {}  # category -> root category, which never changes; read when a new one is met


@dataclass(frozen=True, eq=False)
class Habits:
    """Prices and places of m touched listings; empty for whoever touched nothing."""

    shares: Vector  # (m,) float32, how much each says; their sum is 1
    prices: Vector  # (m,) float32, natural logarithm of pence
    roots: Rows  # (m,) int64, root category
    places: np.ndarray  # (m, 2) float32, latitude and longitude in degrees, NaN where unknown

    @classmethod
    def none(cls) -> "Habits":
        nothing = np.empty(0, np.float32)
        return cls(nothing, nothing, np.empty(0, np.int64), np.empty((0, 2), np.float32))

    def price_scores(self, view: View, rows: Rows) -> Vector:
        """How usual the price of each row is, among what was touched in its root category above all.

        A kernel density of logarithms (Rosenblatt 1956), as a logarithm. -> (n,) float32, NaN without habits
        """
        if not len(self.shares):
            return np.full(len(rows), np.nan, np.float32)
        attributes = view.attributes[rows]
        gaps = log_prices(attributes["price_pence"])[:, None] - self.prices  # (n, m)
        same = roots_of(attributes["category_id"])[:, None] == self.roots
        shares = self.shares * (ELSEWHERE + same)
        shares = shares / shares.sum(axis=1, keepdims=True)
        return np.log((shares * np.exp(-0.5 * (gaps / PRICE_WIDTH) ** 2)).sum(axis=1) + LEAST)

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


def log_prices(pence: np.ndarray) -> Vector:
    """(n,) int64 -> (n,) float32; what is given away counts as a penny."""
    return np.log(np.maximum(pence, 1)).astype(np.float32)


def roots_of(category_ids: np.ndarray) -> Rows:
    """The root category of each category, itself where it is one.   (n,) int64 -> (n,) int64"""
    different, places = np.unique(category_ids, return_inverse=True)
    if not _roots.keys() >= set(different.tolist()):
        _roots.update(Category.objects.values_list("pk", Coalesce("root", "pk")))
    return np.array([_roots.get(pk, pk) for pk in different.tolist()], np.int64)[places]
