"""Ways to recommend, by name: the feed as it is served, its sources alone, and what they have to beat."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

from ml import covisitation
from ml.arrays import Vector
from ml.covisitation import Counting, Normalisation
from recommendations.asking import Asked
from recommendations.behaviour import Behaviour
from recommendations.candidates import SOURCES
from recommendations.columns import Positions
from recommendations.view import View

BETA = 0.5  # of RP3beta: how much less a listing is led to that many people touched


@dataclass(frozen=True)
class Known:
    """What was known at a moment, `behaviour.until`: the world of then, and all that had happened.

    The view has a collaborative model that saw no more than this, or none.
    """

    view: View
    behaviour: Behaviour

    @cached_property
    def touched_share(self) -> Vector:
        """The share of all actors who had touched each row: (rows,) float64"""
        rows = self.view.rows_of(self.behaviour.listing_ids)
        counts = np.bincount(rows[rows >= 0], minlength=self.view.row_count)
        return counts / max(len(self.behaviour.actors), 1)

    def touched_by(self, actor_id: int) -> np.ndarray:
        """All that an actor had touched, sold listings too: (m,) int64"""
        entries = slice(*np.searchsorted(self.behaviour.actor_ids, [actor_id, actor_id + 1]))
        return self.behaviour.listing_ids[entries]


Contender = Callable[[Asked], Vector]  # -> (rows,) scores; what is NaN is not recommended


def _feed(known: Known) -> Contender:
    """What no source proposed is not ranked, just as it is not served."""

    def score(asked: Asked) -> Vector:
        scores = np.full(asked.view.row_count, np.nan, np.float32)
        scores[asked.feed] = -np.arange(len(asked.feed))
        return scores

    return score


def _source(name: str) -> Callable[[Known], Contender]:
    """A source alone, over all rows and not only over what it would propose."""
    column = SOURCES.index(name)
    return lambda known: lambda asked: asked.by_source[:, column]


def _popularity(known: Known) -> Contender:
    return lambda asked: known.touched_share


def _newest(known: Known) -> Contender:
    """What was there by the moment, the last first: which listings come after it nobody could have shown."""
    published_at = known.view.attributes["created_at"]
    scores = np.where(published_at <= known.behaviour.until.timestamp(), published_at, np.nan)
    return lambda asked: scores


def _neighbourhood(counting: Counting, normalisation: Normalisation) -> Callable[[Known], Contender]:
    """Who touched what, however much and in whatever order: weights between listings, none cut off."""

    def prepare(known: Known) -> Contender:
        listing_ids = known.behaviour.listings
        sequences = known.behaviour.sequences(listing_ids)
        alike = replace(sequences, weights=np.ones_like(sequences.weights))
        counts = covisitation.count(alike, item_count=len(listing_ids), counting=counting)
        weights = covisitation.normalise(counts, normalisation)
        towards = (weights @ _to_rows(listing_ids, known.view)).tocsr()  # (items, rows)
        positions = Positions.of(listing_ids)

        def score(asked: Asked) -> Vector:
            touched = positions.find(known.touched_by(asked.taste.actor_id))
            total = np.asarray(towards[touched].sum(axis=0)).ravel()
            return np.where(total > 0, total, np.nan)

        return score

    return prepare


def _to_rows(listing_ids: np.ndarray, view: View) -> csr_matrix:
    """1 where an item is a row: (n, rows) float32"""
    rows = view.rows_of(listing_ids)
    items = np.flatnonzero(rows >= 0)
    ones = np.ones(len(items), np.float32)
    return csr_matrix((ones, (items, rows[items])), shape=(len(listing_ids), view.row_count))


# RP3beta is a walk of three steps, from what was touched over who touched it (Paudel et al. 2017, "Updatable,
# Accurate, Diverse, and Scalable Recommendations for Interactive Applications").
CONTENDERS: dict[str, Callable[[Known], Contender]] = {
    "popularity": _popularity,
    "newest": _newest,
    "content": _source("content"),
    "rp3beta": _neighbourhood(Counting(actor_exponent=1), Normalisation(1, BETA)),
    "cosine": _neighbourhood(Counting(actor_exponent=0), Normalisation(0.5, 0.5)),
    "covisitation": _source("covisitation"),
    "als": _source("collaborative"),
    "blend": _feed,
}
