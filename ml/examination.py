"""How likely it is that anybody looks at a place, and what a click there counts for: position bias."""

import numpy as np

from ml.arrays import Rows, ShapeError, Vector, require_vector

GREATEST_WEIGHT = 10.0  # of a click at a place that is hardly ever looked at
MOST_AN_IMPRESSION = 100.0  # that one in an exploration slot counts for, however unlikely it was
EXPONENTS = np.arange(0, 2.01, 0.05)  # that fit_exponent chooses from; 0: every place is looked at alike
INTEGERS = (np.int32, np.int64)


def examination(positions: Rows, exponent: float) -> Vector:
    """The chance that a place is looked at, against the first one: (1 / place)^exponent.

    The propensity model of Joachims, Swaminathan & Schnabel 2017 (section 5). positions (n,) int, from 0.
    Returns (n,) float32 in (0, 1].   Raises ShapeError.
    """
    _require_positions(positions)
    if exponent < 0:
        raise ShapeError(f"expected an exponent of 0 or more, found {exponent}")
    return ((positions + 1.0) ** -exponent).astype(np.float32)


def fit_exponent(positions: Rows, clicked: np.ndarray, propensities: Vector) -> float:
    """The exponent under which clicks by place are likeliest, where chance put listings at places.

    Of exploration slots that holds, of ranked ones it does not. Earlier slots get the greater draws, and so
    the better listings: each counts 1 / its propensity, clipped, which makes all slots show the same mixture
    of them. Clicks at a place are Poisson, of mean a x impressions x (1 / place)^exponent; a drops out.
    positions (n,) int, from 0; clicked (n,) bool; propensities (n,) float in (0, 1]: of this listing at this
    place. Without any click: 0.   Raises ShapeError.
    """
    _require_positions(positions)
    require_vector(clicked, length=len(positions), dtypes=[np.bool_])
    weights = inverse_weights(require_vector(propensities, length=len(positions)), MOST_AN_IMPRESSION)
    clicks = np.bincount(positions[clicked], weights=weights[clicked])
    if not clicks.sum():
        return 0.0
    shown = np.bincount(positions, weights=weights)  # (p,)
    logs = np.log(np.arange(len(shown)) + 1.0)
    told = -EXPONENTS * (clicks @ logs[: len(clicks)])  # (e,)
    expected = np.exp(-np.outer(EXPONENTS, logs)) @ shown  # (e,)
    return float(EXPONENTS[np.argmax(told - clicks.sum() * np.log(expected))])


def inverse_weights(examined: Vector, greatest: float = GREATEST_WEIGHT) -> Vector:
    """What something that followed counts for: 1 / the chance that it was looked at, clipped.

    examined (n,) float in (0, 1] -> (n,) float32 in [1, greatest].   Raises ShapeError.
    """
    require_vector(examined)
    if not ((examined > 0) & (examined <= 1)).all() or greatest < 1:
        raise ShapeError("expected chances in (0, 1], and a greatest weight of 1 or more")
    return np.minimum(1 / examined.astype(np.float64), greatest).astype(np.float32)


def _require_positions(positions: Rows) -> None:
    require_vector(positions, dtypes=INTEGERS)
    if positions.min(initial=0) < 0:
        raise ShapeError(f"expected positions from 0, found {positions.min()}")
