"""Negative feedback: listings like one that the actor hid or reported are ranked lower."""

import numpy as np

from ml.arrays import Rows, Vector
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.taste.profile import UserProfile

MAX_PENALTY = 2.0  # the penalty of an identical listing, in standard deviations of the blend


def penalties(snapshot: CatalogueSnapshot, profile: UserProfile, rows: Rows) -> Vector:
    """The penalty of each row, by its likeness to the nearest listing that was hidden or reported.

    The likeness is squared: a listing of the same kind is hardly affected, a nearly identical one is.
    rows (n,) int -> (n,) float32 in [0, MAX_PENALTY], in the units of a blended score
    """
    if not len(profile.unwanted):
        return np.zeros(len(rows), np.float32)
    vectors = snapshot.vectors(rows).astype(np.float32)
    likeness = snapshot.comparison.likeness(profile.unwanted, vectors)  # (u, n)
    nearest = np.fmax.reduce(likeness, axis=0, initial=0)
    return (MAX_PENALTY * np.clip(nearest, 0, 1) ** 2).astype(np.float32)
