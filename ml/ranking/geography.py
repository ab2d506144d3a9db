"""Great-circle distances, and estimation of distance decay from choices. Serving imports this module."""

import math

import numpy as np

from ml.arrays import Matrix, Vector, require_matrix, require_vector

EARTH_RADIUS_KM = 6371.0
LEAST_NEARNESS = 0.02  # nearness of a listing that is far from every place

BOX_SLACK = 1.001  # factor by which a box is larger than exact: more than float32 rounding
SCALES_KM = np.geomspace(2, 400, 24)  # each a quarter above the one before
LEAST_CHOICES = 100  # with fewer a scale is known only within a factor of two or so
# Half the 1 % quantile of chi-squared: the gain in log-likelihood from which distance is taken to matter.
LEAST_GAIN = 3.32
PRIOR_KM, PRIOR_DEVIATION = 25.0, 0.5  # of scales: log-normal, so that 2 or 300 km need strong evidence
STEPS = 6  # of Newton's method, which doubles the number of exact digits with each


def distances_km(here: Matrix, there: Matrix) -> Matrix:
    """Distances between all pairs of points.

    Latitude and longitude in degrees, (n, 2) and (m, 2) -> (n, m) float32 kilometres, NaN where either is NaN
    """
    one, other = (require_matrix(side, columns=2) for side in (here, there))
    return haversine_km(one[:, None], other[None])


def haversine_km(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Distances between corresponding points of two arrays, by the haversine formula (Sinnott 1984).

    Degrees, (..., 2) and (..., 2), broadcast -> (...) float32 kilometres, NaN where either is NaN
    """
    one, other = (np.radians(side, dtype=np.float32) for side in (one, other))
    half = np.sin((one - other) / 2) ** 2
    chord = half[..., 0] + np.cos(one[..., 0]) * np.cos(other[..., 0]) * half[..., 1]
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(chord.clip(0, 1)))


def half_box(latitude: float, radius_km: float, *, margin: float = 0.0) -> tuple[float, float]:
    """Half the height and half the width, in degrees, of a box that holds every point within the radius.

    The box is a cheap first test: it spares most points the sines of `haversine_km`. The half width is 180
    where a pole lies inside the circle, since all longitudes meet there. margin: degrees added on each side,
    for coordinates that may be off by as much.
    """
    reach = radius_km / EARTH_RADIUS_KM * BOX_SLACK  # radians
    height = math.degrees(reach) + margin
    if abs(latitude) + height >= 90:
        return height, 180.0
    width = math.degrees(math.asin(math.sin(reach) / math.cos(math.radians(latitude)))) * BOX_SLACK
    return height, width + margin


def nearness(apart: np.ndarray, shares: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """Nearness of listings to p weighted places: LEAST_NEARNESS + the sum of shares x exp(-apart / scale).

    It is about 1 at a place of share 1, and LEAST_NEARNESS far from all places. apart (..., p) km, shares
    (..., p), scale (...) or a number, km, broadcast -> (...) float32
    """
    near = np.exp(-apart / np.asarray(scale, np.float32)[..., None])
    return np.einsum("...p,...p->...", near, shares) + np.float32(LEAST_NEARNESS)


def fit_decay(apart: np.ndarray, shares: Matrix, weights: Vector, *, prior_km: float = PRIOR_KM) -> float:
    """The scale in km of exponential distance decay, estimated from actors' choices among listings.

    Conditional logit (McFadden 1974): each of e choices is made among the listings then available, the chosen
    one and k others sampled uniformly (McFadden 1978), with probabilities in proportion to `nearness` to the
    power of a sensitivity between 0 and 1. Returns the geometric mean of SCALES_KM by their posterior, with a
    log-normal prior around prior_km: what thin data say counts for little.
    apart (e, 1 + k, p) float32 km, from the p places of the actor's earlier interactions to the chosen
    listing, first, and to the k others; all NaN for a listing that was not available. shares (e, p) weight of
    each place, sums 1, 0 for a missing place, whose distance is ignored; weights (e,) >= 0 of the choices.
    Returns NaN for fewer than LEAST_CHOICES, or when distance does not explain the choices beyond chance.
    """
    require_matrix(shares, rows=len(apart), columns=apart.shape[2])
    require_vector(weights, length=len(apart))
    is_available = ~np.isnan(apart).all(axis=2)
    is_informative = is_available[:, 0] & is_available[:, 1:].any(axis=1) & (weights > 0)
    if weights[is_informative].sum() < LEAST_CHOICES:
        return float("nan")
    apart, shares, is_available = (
        np.nan_to_num(apart[is_informative], nan=np.inf),
        shares[is_informative][:, None],
        is_available[is_informative],
    )
    gains = [
        _gain(
            np.where(is_available, np.log(nearness(apart, shares, scale)), -np.inf), weights[is_informative]
        )
        for scale in SCALES_KM
    ]
    if max(gains) < LEAST_GAIN:
        return float("nan")
    posterior = np.array(gains) - (np.log(SCALES_KM / prior_km) / PRIOR_DEVIATION) ** 2 / 2
    chances = np.exp(posterior - posterior.max())
    return float(np.exp(np.average(np.log(SCALES_KM), weights=chances)))


def _gain(near: Matrix, weights: Vector) -> float:
    """Gain in log-likelihood of the best sensitivity to distance over a sensitivity of 0.

    near (e, 1 + k): logarithms of nearness, the chosen listing first, -inf for listings that were not
    available. By Newton's method, since the likelihood is concave in the sensitivity.
    """
    sensitivity, is_available = 0.5, np.isfinite(near)
    known = np.where(is_available, near, 0)
    for _ in range(STEPS):
        probabilities = np.where(
            is_available, np.exp(sensitivity * (known - known.max(axis=1, keepdims=True))), 0
        )
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        mean = (probabilities * known).sum(axis=1)
        slope = weights @ (known[:, 0] - mean)
        curvature = weights @ ((probabilities * known**2).sum(axis=1) - mean**2)
        sensitivity = float(np.clip(sensitivity + slope / max(curvature, 1e-9), 0, 1))
    return _log_likelihood(sensitivity, known, is_available, weights) - _log_likelihood(
        0, known, is_available, weights
    )


def _log_likelihood(sensitivity: float, known: Matrix, is_available: np.ndarray, weights: Vector) -> float:
    """Log-likelihood of the choices."""
    chances = np.where(is_available, np.exp(sensitivity * known), 0)
    return float(weights @ (sensitivity * known[:, 0] - np.log(chances.sum(axis=1))))
