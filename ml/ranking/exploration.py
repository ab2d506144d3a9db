"""Exploration of fresh listings by Thompson sampling, with the propensity of each choice.

Serving imports this module.
"""

from dataclasses import dataclass

import numpy as np

from ml.arrays import Matrix, Rows, ShapeError, Vector, require_matrix, require_vector

ROUNDS = 500  # of draws, from which propensities are counted; the least propensity is 1 / ROUNDS
UNSEEN_RATE = 0.02  # expected click rate of a catalogue without impressions
LEAST_STRENGTH, GREATEST_STRENGTH = 5.0, 500.0  # bounds of a prior's strength, in impressions
COUNTS = (np.int32, np.int64)


@dataclass(frozen=True)
class Prior:
    """Prior of a listing's click rate: Beta(clicks, misses), both above 0."""

    clicks: float
    misses: float

    def __post_init__(self) -> None:
        if not (self.clicks > 0 and self.misses > 0 and np.isfinite(self.clicks + self.misses)):
            raise ShapeError(
                f"expected clicks and misses above 0 and finite, found {self.clicks} and {self.misses}"
            )

    @property
    def rate(self) -> float:
        """The expected click rate."""
        return self.clicks / self.strength

    @property
    def strength(self) -> float:
        """The number of impressions that the prior is worth."""
        return self.clicks + self.misses


@dataclass(frozen=True)
class Exploration:
    """The candidates chosen for the slots, and their propensities.

    rows (m,) int64, slot by slot; propensities (m,) float64 in (0, 1]: of this candidate in this slot.
    """

    rows: Rows
    propensities: Vector


def catalogue_prior(impressions: Rows, clicks: Rows) -> Prior:
    """The empirical Bayes prior of the click rates of a catalogue.

    Its rate is that of all impressions together. Its strength is estimated by the method of moments for the
    beta-binomial (Kleinman 1973): the more the listings' rates differ beyond chance, the weaker the prior. It
    is kept between 5 and 500 impressions. Listings with fewer than two impressions do not enter the strength.
    impressions, clicks (n,) int, 0 <= clicks <= impressions.   Raises ShapeError.
    """
    _require_counts(impressions, clicks)
    rate = float((clicks.sum() + 1) / (impressions.sum() + 1 / UNSEEN_RATE))
    strength = _strength(impressions[impressions > 1], clicks[impressions > 1])
    return Prior(rate * strength, (1 - rate) * strength)


def draws(
    impressions: Rows, clicks: Rows, prior: Prior, rng: np.random.Generator, *, round_count: int = 1
) -> Matrix:
    """Draws of each candidate's click rate from its posterior, Beta(a + clicks, b + misses).

    Thompson 1933; for clicks Chapelle & Li 2011. impressions, clicks (n,) int, 0 <= clicks <= impressions.
    Returns (round_count, n) float64 in [0, 1].   Raises ShapeError.
    """
    _require_counts(impressions, clicks)
    if round_count < 1:
        raise ShapeError(f"expected a round_count of 1 or more, found {round_count}")
    misses = impressions - clicks
    return rng.beta(prior.clicks + clicks, prior.misses + misses, size=(round_count, len(clicks)))


def explore(
    impressions: Rows,
    clicks: Rows,
    prior: Prior,
    rng: np.random.Generator,
    *,
    slot_count: int,
    round_count: int = ROUNDS,
) -> Exploration:
    """Fill slots with the candidates of greatest draws, and count the propensity of each choice.

    The first round of draws decides. A propensity is the share of all rounds, including the first, in which
    the same candidate got the same slot, so it is at least 1 / round_count. It is valid for inverse
    propensity weighting: with k hits in the N other rounds at a true probability p,
    E[chosen (N + 1) / (k + 1)] = 1 - (1 - p)^(N + 1). The mean weight is therefore 1, and less only for
    candidates that are hardly ever chosen (p below 1 / N).
    The same arguments and generator give the same result. 200 candidates, 20 slots: about 8 ms.
    Returns min(slot_count, n) rows, none twice.   Raises ShapeError.
    """
    drawn = draws(impressions, clicks, prior, rng, round_count=round_count)
    filled = slots(drawn, slot_count)  # (rounds, m)
    return Exploration(filled[0], (filled == filled[0]).mean(axis=0))


def propensities(drawn: Matrix, slot_count: int) -> Matrix:
    """Propensity of each candidate for each slot, counted over rounds of draws.

    Off-policy evaluation needs it for a target policy, which has another prior or other counts.
    drawn (rounds, n) -> (min(slot_count, n), n) float64, each row's sum is 1; 0 for what was never drawn.
    """
    filled = slots(drawn, slot_count)
    round_count, candidate_count = drawn.shape
    cells = np.arange(filled.shape[1]) * candidate_count + filled  # slot and candidate as one number
    counts = np.bincount(cells.ravel(), minlength=filled.shape[1] * candidate_count)
    return counts.reshape(-1, candidate_count) / round_count


def slots(drawn: Matrix, slot_count: int) -> Rows:
    """Candidates for each slot in each round, in order of their draws; ties go to the first row.

    drawn (rounds, n) -> (rounds, min(slot_count, n)) int64.   Raises ShapeError.
    """
    require_matrix(drawn)
    if slot_count < 0:
        raise ShapeError(f"expected a slot_count of 0 or more, found {slot_count}")
    return np.argsort(-drawn, axis=1, kind="stable")[:, :slot_count]


def _strength(impressions: Rows, clicks: Rows) -> float:
    """Strength of the prior in impressions, by overdispersion of click rates.   (n,), impressions > 1"""
    if len(impressions) < 2 or not 0 < clicks.sum() < impressions.sum():
        return LEAST_STRENGTH
    shown = impressions.astype(np.float64)
    rate = clicks.sum() / shown.sum()
    squares = (shown * (clicks / shown - rate) ** 2).sum()  # weighted squares about the mean
    expected = rate * (1 - rate) * (len(shown) - 1)  # the same if all listings had one click rate
    scale = rate * (1 - rate) * (shown.sum() - (shown**2).sum() / shown.sum() - (len(shown) - 1))
    correlation = (squares - expected) / scale if scale > 0 else 0.0  # 1 / (strength + 1)
    if correlation <= 1 / (GREATEST_STRENGTH + 1):
        return GREATEST_STRENGTH
    return float(max(1 / correlation - 1, LEAST_STRENGTH))


def _require_counts(impressions: Rows, clicks: Rows) -> None:
    require_vector(impressions, dtypes=COUNTS)
    require_vector(clicks, length=len(impressions), dtypes=COUNTS)
    if not ((clicks >= 0) & (clicks <= impressions)).all():
        raise ShapeError("expected clicks between 0 and impressions")
