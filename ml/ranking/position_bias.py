"""Position bias: examination probability by place, and the inverse propensity weights of clicks."""

import numpy as np

from ml.arrays import Rows, ShapeError, Vector, require_vector

GREATEST_WEIGHT = 10.0  # of a click at a rarely examined place
GREATEST_IMPRESSION_WEIGHT = 100.0  # of an unlikely impression in an exploration slot, in fit_exponent
EXPONENTS = np.arange(0, 2.01, 0.05)  # that fit_exponent chooses from; 0: no position bias
INTEGERS = (np.int32, np.int64)


def examination_probability(positions: Rows, exponent: float) -> Vector:
    """Probability that a place is examined, relative to the first one: (1 / place)^exponent.

    The propensity model of Joachims, Swaminathan & Schnabel 2017 (section 5). positions (n,) int, from 0.
    Returns (n,) float32 in (0, 1].   Raises ShapeError.
    """
    _require_positions(positions)
    if exponent < 0:
        raise ShapeError(f"expected an exponent of 0 or more, found {exponent}")
    return ((positions + 1.0) ** -exponent).astype(np.float32)


def fit_exponent(positions: Rows, clicked: np.ndarray, propensities: Vector) -> float:
    """The maximum-likelihood exponent of position bias, from impressions in exploration slots.

    Ranked slots cannot be used: their listings were placed by merit, not at random. Thompson sampling still
    puts better listings into earlier slots, so each impression has the weight 1 / propensity, clipped, which
    gives all slots the same mixture of listings. Clicks at a place are Poisson with mean
    a x impressions x (1 / place)^exponent; a drops out.
    positions (n,) int, from 0; clicked (n,) bool; propensities (n,) float in (0, 1]: of this listing at this
    place. Returns 0 without any click.   Raises ShapeError.
    """
    _require_positions(positions)
    require_vector(clicked, length=len(positions), dtypes=[np.bool_])
    weights = inverse_propensity_weights(
        require_vector(propensities, length=len(positions)), GREATEST_IMPRESSION_WEIGHT
    )
    clicks = np.bincount(positions[clicked], weights=weights[clicked])
    if not clicks.sum():
        return 0.0
    shown = np.bincount(positions, weights=weights)  # (p,)
    logs = np.log(np.arange(len(shown)) + 1.0)
    click_terms = -EXPONENTS * (clicks @ logs[: len(clicks)])  # (e,)
    expected = np.exp(-np.outer(EXPONENTS, logs)) @ shown  # (e,)
    return float(EXPONENTS[np.argmax(click_terms - clicks.sum() * np.log(expected))])


def inverse_propensity_weights(examined: Vector, greatest: float = GREATEST_WEIGHT) -> Vector:
    """Inverse propensity weights 1 / examined, clipped at the greatest.

    examined (n,) float in (0, 1] -> (n,) float32 in [1, greatest].   Raises ShapeError.
    """
    require_vector(examined)
    if not ((examined > 0) & (examined <= 1)).all() or greatest < 1:
        raise ShapeError("expected probabilities in (0, 1], and a greatest weight of 1 or more")
    return np.minimum(1 / examined.astype(np.float64), greatest).astype(np.float32)


def _require_positions(positions: Rows) -> None:
    require_vector(positions, dtypes=INTEGERS)
    if positions.min(initial=0) < 0:
        raise ShapeError(f"expected positions from 0, found {positions.min()}")
