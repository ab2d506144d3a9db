"""Listings near a location. Distances go by the rounded coordinates that the API shows (0.01 degrees)."""

import math

import numpy as np

from ml.arrays import Rows, Vector
from ml.ranking.geography import EARTH_RADIUS_KM, distances_km, half_box
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.retrieval.filters import Filters
from recommendations.taste.location import Location, LocationProfile, places_of

RADIUS_KM = 40.0  # of trending listings nearby: as far as people go to fetch something
FIRST_KM = 15.0  # the first radius in which the nearest are looked for
WIDER = 4.0  # the factor by which the radius grows while too few are found
FARTHEST_KM = math.pi * EARTH_RADIUS_KM


def location_of(filters: Filters, habits: LocationProfile) -> Location | None:
    """The actor's location, in degrees: the one stated in the request, else the usual one, else None."""
    return filters.stated_location or habits.medoid


def distances(snapshot: CatalogueSnapshot, location: Location | None, rows: Rows) -> Vector:
    """Distance from a location to each row: (n,) -> (n,) float32 kilometres, NaN where either is unknown."""
    if location is None:
        return np.full(len(rows), np.nan, np.float32)
    return distances_km(places_of(snapshot, rows), np.array([location], np.float32))[:, 0]


def nearest(snapshot: CatalogueSnapshot, location: Location | None, allowed: np.ndarray, count: int) -> Rows:
    """The nearest of the allowed rows, nearest first; the newest first among equally near ones.

    allowed (rows,) bool -> (<= count,) int64. Rows without a location are never among them.
    """
    radius_km = FIRST_KM
    while location is not None and count > 0:
        rows = _in_box(snapshot, location, allowed, radius_km)
        apart_km = distances(snapshot, location, rows)
        # Only rows within the radius count: one in a corner of the box may be farther than one outside it.
        if (apart_km <= radius_km).sum() >= count or radius_km >= FARTHEST_KM:
            return _first(snapshot, rows, apart_km, count)
        radius_km = min(radius_km * WIDER, FARTHEST_KM)
    return np.empty(0, np.int64)


def _first(snapshot: CatalogueSnapshot, rows: Rows, apart_km: Vector, count: int) -> Rows:
    if len(rows) > count:
        close = apart_km <= np.partition(apart_km, count - 1)[count - 1]  # sort only those that may be kept
        rows, apart_km = rows[close], apart_km[close]
    return rows[np.lexsort((-snapshot.attributes["created_at"][rows], apart_km))[:count]]


def most_trending(
    snapshot: CatalogueSnapshot, location: Location | None, allowed: np.ndarray, count: int
) -> Rows:
    """The trending ones of the allowed rows within RADIUS_KM, the highest trending score first.

    allowed (rows,) bool -> (<= count,) int64, empty where nothing nearby is trending.
    """
    trending = snapshot.hottest[allowed[snapshot.hottest]]
    return trending[distances(snapshot, location, trending) <= RADIUS_KM][:count]  # NaN is not near


def _in_box(snapshot: CatalogueSnapshot, location: Location, allowed: np.ndarray, radius_km: float) -> Rows:
    """Allowed rows in a box that holds all within the radius: (m,) int64, those without a location left out.

    The box comes first because the sines of a whole catalogue take longer than the rest of a request.
    """
    latitudes, longitudes = snapshot.attributes["latitude"], snapshot.attributes["longitude"]
    height, width = half_box(location[0], radius_km)
    rows = np.flatnonzero(allowed & (np.abs(latitudes - location[0]) <= height))  # False for NaN
    east = (longitudes[rows] - location[1] + 180) % 360 - 180  # the shorter way, also across the date line
    return rows[np.abs(east) <= width]
