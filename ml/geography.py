"""Distances on the earth, and what they mean to people. Serving imports this module."""

import math

import numpy as np

from ml.arrays import Matrix, Vector, require_matrix, require_vector

EARTH_RADIUS_KM = 6371.0
LEAST = 0.02  # nearness of what is far from everything: it is not ever farther

BOX_SLACK = 1.001  # factor by which a box is larger than exact: more than float32 rounding
SCALES_KM = np.geomspace(2, 400, 24)  # each a quarter above the one before
LEAST_CHOICES = 100  # fewer tell a scale only within a factor of two or so
# Half the 1 % quantile of chi-squared: distance must make the choices likelier by more, as a logarithm, or it
# is taken to play no part in them.
LEAST_GAIN = 3.32
STEPS = 6  # of Newton's method, which doubles its digits with each


def distances_km(here: Matrix, there: Matrix) -> Matrix:
    """Between all pairs of points.

    Latitude and longitude in degrees, (n, 2) and (m, 2) -> (n, m) float32 kilometres, NaN where one is NaN
    """
    one, other = (require_matrix(side, columns=2) for side in (here, there))
    return apart_km(one[:, None], other[None])


def apart_km(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Between points in the same places of two arrays, by the haversine formula (Sinnott 1984).

    Degrees, (..., 2) and (..., 2), broadcast -> (...) float32 kilometres, NaN where one is NaN
    """
    one, other = (np.radians(side, dtype=np.float32) for side in (one, other))
    half = np.sin((one - other) / 2) ** 2
    chord = half[..., 0] + np.cos(one[..., 0]) * np.cos(other[..., 0]) * half[..., 1]
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(chord.clip(0, 1)))


def half_box(latitude: float, radius_km: float, *, margin: float = 0.0) -> tuple[float, float]:
    """Half the height and half the width, in degrees, of a box that holds every point within the radius.

    The box is a cheap first test: it spares most points the sines of `apart_km`. The half width is 180 where
    a pole lies inside the circle, since all longitudes meet there. margin: degrees added on each side, for
    coordinates that may be off by as much.
    """
    reach = radius_km / EARTH_RADIUS_KM * BOX_SLACK  # radians
    height = math.degrees(reach) + margin
    if abs(latitude) + height >= 90:
        return height, 180.0
    width = math.degrees(math.asin(math.sin(reach) / math.cos(math.radians(latitude)))) * BOX_SLACK
    return height, width + margin


def nearness(apart: np.ndarray, shares: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """How near something is to p places of which each says a share: 1 is there, LEAST is far from all.

    apart (..., p) km, shares (..., p), scale (...) or one, km, broadcast -> (...) float32: LEAST and the
    shares' sum of exp(-apart / scale)
    """
    near = np.exp(-apart / np.asarray(scale, np.float32)[..., None])
    return np.einsum("...p,...p->...", near, shares) + np.float32(LEAST)


def fit_decay(apart: np.ndarray, shares: Matrix, weights: Vector) -> float:
    """The scale in km by which nearness falls to a third, in the eyes of people who chose among listings.

    Conditional logit (McFadden 1974): each of e choices is made among what was to be had, the chosen one and
    some of the others drawn evenly (McFadden 1978), with chances in proportion to `nearness` to the power of
    how much people care, 0 to 1. The scale of SCALES_KM under which the choices are likeliest.
    apart (e, 1 + k, p) float32 km, from where p places that somebody had looked at lie to what they chose,
    first, and to k others; NaN throughout for what was not to be had. shares (e, p) what each place says,
    sums 1, 0 with any distance for no place; weights (e,) >= 0 of the choices, 1 for a whole one.
    NaN when the choices do not tell: fewer than LEAST_CHOICES, or about as likely if nobody cared.
    """
    require_matrix(shares, rows=len(apart), columns=apart.shape[2])
    require_vector(weights, length=len(apart))
    could = ~np.isnan(apart).all(axis=2)
    told = could[:, 0] & could[:, 1:].any(axis=1) & (weights > 0)
    if weights[told].sum() < LEAST_CHOICES:
        return float("nan")
    apart, shares, could = np.nan_to_num(apart[told], nan=np.inf), shares[told][:, None], could[told]
    gains = [
        _gain(np.where(could, np.log(nearness(apart, shares, scale)), -np.inf), weights[told])
        for scale in SCALES_KM
    ]
    return float(SCALES_KM[int(np.argmax(gains))]) if max(gains) >= LEAST_GAIN else float("nan")


def _gain(near: Matrix, weights: Vector) -> float:
    """How much likelier, as a logarithm, choices are when people care for this than when they do not.

    near (e, 1 + k) logarithms, of what was chosen first, -inf for what was not to be had. By Newton's method
    over how much they care: the likelihood is concave in it.
    """
    care, there = 0.5, np.isfinite(near)
    known = np.where(there, near, 0)
    for _ in range(STEPS):
        chances = np.where(there, np.exp(care * (known - known.max(axis=1, keepdims=True))), 0)
        chances /= chances.sum(axis=1, keepdims=True)
        mean = (chances * known).sum(axis=1)
        slope = weights @ (known[:, 0] - mean)
        bend = weights @ ((chances * known**2).sum(axis=1) - mean**2)
        care = float(np.clip(care + slope / max(bend, 1e-9), 0, 1))
    return _likelihood(care, known, there, weights) - _likelihood(0, known, there, weights)


def _likelihood(care: float, known: Matrix, there: np.ndarray, weights: Vector) -> float:
    """Logarithm of how likely the choices are."""
    chances = np.where(there, np.exp(care * known), 0)
    return float(weights @ (care * known[:, 0] - np.log(chances.sum(axis=1))))
