"""What lies near a place. Listings lie where the API shows them, by 0.01 degrees: distances tell no more."""

import math

import numpy as np

from ml.arrays import Rows, Vector
from ml.geography import EARTH_RADIUS_KM, distances_km
from recommendations.filters import Filters
from recommendations.habits import Habits, Here, places_of
from recommendations.view import View

RADIUS_KM = 40.0  # what is nearby, of what is trending: where one would go and fetch it
FIRST_KM = 15.0  # looked at first for the nearest, and then WIDER times as far while that is too few
WIDER = 4.0
FARTHEST_KM = math.pi * EARTH_RADIUS_KM

DEGREE_KM = math.radians(EARTH_RADIUS_KM)  # of latitude
SLACK = 1.001  # float32


def here_of(filters: Filters, habits: Habits) -> Here | None:
    """Where the shopper is, latitude and longitude in degrees: as they say, else where they usually look."""
    return filters.here or habits.medoid


def distances(view: View, here: Here | None, rows: Rows) -> Vector:
    """From a place to each row: (n,) -> (n,) float32 kilometres, NaN where either is unknown."""
    if here is None:
        return np.full(len(rows), np.nan, np.float32)
    return distances_km(places_of(view, rows), np.array([here], np.float32))[:, 0]


def nearest(view: View, here: Here | None, allowed: np.ndarray, count: int) -> Rows:
    """The allowed rows that lie nearest, nearest first, of equally near ones the newest first.

    allowed (rows,) bool -> (<= count,) int64; rows without a place are none of them.
    """
    reach_km = FIRST_KM
    while here is not None and count > 0:
        rows = _in_box(view, here, allowed, reach_km)
        apart_km = distances(view, here, rows)
        inside = apart_km <= reach_km  # what else is inside the box may be farther than what is outside
        if inside.sum() >= count or reach_km >= FARTHEST_KM:
            return _first(view, rows, apart_km, count)
        reach_km = min(reach_km * WIDER, FARTHEST_KM)
    return np.empty(0, np.int64)


def _first(view: View, rows: Rows, apart_km: Vector, count: int) -> Rows:
    if len(rows) > count:
        close = apart_km <= np.partition(apart_km, count - 1)[count - 1]  # few are left to be sorted
        rows, apart_km = rows[close], apart_km[close]
    return rows[np.lexsort((-view.attributes["created_at"][rows], apart_km))[:count]]


def hottest(view: View, here: Here | None, allowed: np.ndarray, count: int) -> Rows:
    """The allowed rows within RADIUS_KM that most people touch now, hottest first.

    allowed (rows,) bool -> (<= count,) int64, none where nothing happens nearby.
    """
    warm = np.flatnonzero(allowed & (view.trending > 0))
    near = warm[distances(view, here, warm) <= RADIUS_KM]  # NaN is not near
    return near[np.argsort(-view.trending[near], kind="stable")[:count]]


def _in_box(view: View, here: Here, allowed: np.ndarray, reach_km: float) -> Rows:
    """Allowed rows with a place, among them all that lie within this distance: (m,) int64

    Sines of a whole catalogue would take longer than the rest of a request.
    """
    latitudes, longitudes = view.attributes["latitude"], view.attributes["longitude"]
    height = reach_km / DEGREE_KM * SLACK
    rows = np.flatnonzero(allowed & (np.abs(latitudes - here[0]) <= height))  # NaN is not
    width = _width(here[0], height)
    east = (longitudes[rows] - here[1] + 180) % 360 - 180  # over the date line is near
    return rows[np.abs(east) <= width]


def _width(latitude: float, height: float) -> float:
    """How far in degrees of longitude a circle reaches that reaches so far in degrees of latitude."""
    if abs(latitude) + height >= 90:  # a pole is inside, where all longitudes meet
        return 180.0
    return math.degrees(math.asin(math.sin(math.radians(height)) / math.cos(math.radians(latitude)))) * SLACK
