"""Calibration of a page: each interest of the actor gets the share that it has in their taste."""

import numpy as np

from ml.arrays import Matrix, Rows, Vector
from ml.ranking.calibration import Calibration
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.taste.category_paths import paths_of
from recommendations.taste.profile import UserProfile

# Found with simulated shoppers on days before those of the benchmark. It decides what is on the first page;
# the order there is by relevance, which costs no NDCG. In the order of calibration it would cost 5 %.
STRENGTH = 0.15  # relevance that one unit of divergence costs
ELSEWHERE = 0.2  # share of the page for what lies in no category that the actor touched
# Powers of the weight of events with a listing and of their recency: a favourite counts twice a view, and an
# event loses half its weight in half of SEARCH_HALF_LIFE_DAYS.
KIND_POWER, RECENCY_POWER = 0.5, 2
# Share of a listing that counts for the touched categories it is nearest to, by the depth of what they share:
# nothing, the root category, its child, the whole path. The rest counts as elsewhere.
COUNTED = np.array([0.0, 0.0, 1.0, 1.0])


def calibration_of(snapshot: CatalogueSnapshot, profile: UserProfile, rows: Rows) -> Calibration | None:
    """The calibration of candidates (n,) to the actor's taste; None where no category was touched.

    A touched category is an interest. Its share follows the weights of the events with its listings, recent
    ones counting more.
    """
    if not len(profile.touched.categories):
        return None
    categories, places = np.unique(profile.touched.categories, return_inverse=True)
    signals = profile.weights**KIND_POWER * profile.touched.shares.astype(np.float64) ** RECENCY_POWER
    weights = np.bincount(places, signals)  # (c,)
    taste = weights / weights.sum()
    different, kinds = np.unique(snapshot.attributes["category_id"][rows], return_inverse=True)
    memberships = _memberships(paths_of(different), paths_of(categories), taste)
    target = np.append((1 - ELSEWHERE) * taste, ELSEWHERE)
    return Calibration(target, kinds, memberships, STRENGTH)


def _memberships(paths: Rows, touched: Rows, taste: Vector) -> Matrix:
    """The share of each touched category in a listing of each category, the last column being elsewhere.

    paths (k, 3), touched (c, 3), taste (c,) > 0 -> (k, c + 1) float64, rows sum to 1
    """
    depth = (paths[:, None, :] == touched[None, :, :]).sum(axis=2)  # (k, c)
    nearest = depth.max(axis=1, keepdims=True)
    shares = np.where(depth == nearest, taste, 0)
    shares *= COUNTED[nearest] / shares.sum(axis=1, keepdims=True)
    return np.column_stack([shares, 1 - COUNTED[nearest[:, 0]]])
