"""Recommendation methods by name: the feed as it is served, its sources alone, and simple baselines."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

from ml.arrays import Vector
from ml.collaborative import covisitation
from ml.collaborative.covisitation import Counting, Normalisation
from ml.positions import Positions
from recommendations.collaborative.history import InteractionHistory
from recommendations.feed.pipeline import FeedContext
from recommendations.models.feature_names import SOURCES
from recommendations.replica.snapshot import CatalogueSnapshot

BETA = 0.5  # of RP3beta: the penalty on popular listings


@dataclass(frozen=True)
class EvaluationContext:
    """The data of a moment, `history.until`: a snapshot of the catalogue, and all interactions until then.

    The snapshot holds a collaborative model that was fitted on no later events, or none.
    """

    snapshot: CatalogueSnapshot
    history: InteractionHistory

    @cached_property
    def touched_share(self) -> Vector:
        """The share of all actors who had interacted with each row: (rows,) float64"""
        rows = self.snapshot.rows_of(self.history.listing_ids)
        counts = np.bincount(rows[rows >= 0], minlength=self.snapshot.row_count)
        return counts / max(len(self.history.actors), 1)

    def touched_by(self, actor_id: int) -> np.ndarray:
        """Ids of the listings in an actor's history, sold ones too: (m,) int64"""
        entries = slice(*np.searchsorted(self.history.actor_ids, [actor_id, actor_id + 1]))
        return self.history.listing_ids[entries]


Baseline = Callable[[FeedContext], Vector]  # -> (rows,) scores; rows with NaN are not recommended


def _feed(context: EvaluationContext) -> Baseline:
    """The order of the feed. Rows that no source proposes are not ranked, as in serving."""

    def score(feed_context: FeedContext) -> Vector:
        scores = np.full(feed_context.snapshot.row_count, np.nan, np.float32)
        scores[feed_context.feed] = -np.arange(len(feed_context.feed))
        return scores

    return score


def _source(name: str) -> Callable[[EvaluationContext], Baseline]:
    """A source alone, scored over all rows and not only over the candidates that it would propose."""
    column = SOURCES.index(name)
    return lambda context: lambda feed_context: feed_context.by_source[:, column]


def _popularity(context: EvaluationContext) -> Baseline:
    return lambda feed_context: context.touched_share


def _newest(context: EvaluationContext) -> Baseline:
    """The newest first, of the listings that were published by the moment. Later ones could not be shown."""
    published_at = context.snapshot.attributes["created_at"]
    scores = np.where(published_at <= context.history.until.timestamp(), published_at, np.nan)
    return lambda feed_context: scores


def _neighbourhood(
    counting: Counting, normalisation: Normalisation
) -> Callable[[EvaluationContext], Baseline]:
    """Item-item neighbourhood over binary interactions, without order and without pruning of neighbours."""

    def prepare(context: EvaluationContext) -> Baseline:
        listing_ids = context.history.listings
        sequences = context.history.sequences(listing_ids)
        binary = replace(sequences, weights=np.ones_like(sequences.weights))
        counts = covisitation.count(binary, item_count=len(listing_ids), counting=counting)
        weights = covisitation.normalise(counts, normalisation)
        row_weights = (weights @ _items_to_rows(listing_ids, context.snapshot)).tocsr()  # (items, rows)
        positions = Positions.of(listing_ids)

        def score(feed_context: FeedContext) -> Vector:
            actor_id = feed_context.profile.actor_id
            assert actor_id is not None  # every held-out actor is known
            touched = positions.find(context.touched_by(actor_id))
            total = np.asarray(row_weights[touched].sum(axis=0)).ravel()
            return np.where(total > 0, total, np.nan)

        return score

    return prepare


def _items_to_rows(listing_ids: np.ndarray, snapshot: CatalogueSnapshot) -> csr_matrix:
    """1 where an item and a row are the same listing: (n, rows) float32"""
    rows = snapshot.rows_of(listing_ids)
    items = np.flatnonzero(rows >= 0)
    ones = np.ones(len(items), np.float32)
    return csr_matrix((ones, (items, rows[items])), shape=(len(listing_ids), snapshot.row_count))


# RP3beta is a random walk of three steps over the graph of actors and listings (Paudel et al. 2017,
# "Updatable, Accurate, Diverse, and Scalable Recommendations for Interactive Applications").
BASELINES: dict[str, Callable[[EvaluationContext], Baseline]] = {
    "popularity": _popularity,
    "newest": _newest,
    "content": _source("content"),
    "rp3beta": _neighbourhood(Counting(actor_exponent=1), Normalisation(1, BETA)),
    "cosine": _neighbourhood(Counting(actor_exponent=0), Normalisation(0.5, 0.5)),
    "covisitation": _source("covisitation"),
    "als": _source("collaborative"),
    "affinity": _source("affinity"),
    "blend": _feed,
}
