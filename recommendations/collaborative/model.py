"""Collaborative model: ALS factors, co-visitation neighbours and content priors in one value.

Training fits it, the model store saves and loads it, serving scores with it. Nothing here reads the database.
"""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from ml import progress as ml_progress
from ml.arrays import Matrix, Rows, Vector
from ml.collaborative import als, content_prior, covisitation
from ml.collaborative.als import AlsModel
from ml.collaborative.content_prior import ContentPrior, ContentSmoother
from ml.collaborative.covisitation import Counts, Neighbours
from ml.positions import Positions
from ml.vector_index import VectorIndex, build_index
from recommendations.collaborative.config import TrainingConfig
from recommendations.collaborative.history import InteractionHistory
from recommendations.core.once import once

INDEX_SEED = 7
LEAST_FOR_PRIOR = 50  # listings with interactions and a vector, to fit the content prior on


@dataclass(frozen=True)
class Collaborative:
    """A fitted model. Its items are all listings with interactions, sold ones too."""

    version: str
    recipe: TrainingConfig
    als: AlsModel
    neighbours: Neighbours  # over the same items; only showable listings are neighbours
    index: VectorIndex  # over the item factors, for retrieval
    prior: ContentPrior | None = None  # factors of listings without interactions
    smoother: ContentSmoother | None = None  # co-visitation scores of listings without interactions
    encoder_version: str = ""  # of the content vectors that these two take
    trained_until: datetime | None = None  # the model saw no later events
    digest: str = ""  # sha256 of its `model.json`; empty if it was not loaded from files

    @property
    def listing_ids(self) -> np.ndarray:
        """The listing id of each item: (n,) int64"""
        return self.als.listing_ids

    @once
    def positions(self) -> Positions:
        return Positions.of(self.listing_ids)

    def items_of(self, listing_ids: np.ndarray) -> Rows:
        """Positions of listings among the items: (m,) int64 -> (m,) int64, -1 for unknown listings."""
        return self.positions.find(listing_ids)

    def fold_in(self, items: Rows, weights: Vector) -> Vector:
        """Factors (k,) float32 of an actor from their items (m,), unique, with weights (m,) > 0."""
        return self.als.fold_in(items, 1 + self.recipe.alpha * weights)

    def contributions(self, items: Rows, weights: Vector, target: Vector) -> Vector:
        """The part of each of the actor's items in the score of the target's factors (k,): (m,) float32."""
        return self.als.contributions(items, 1 + self.recipe.alpha * weights, target)

    def updated(
        self, als: AlsModel, counts: Counts, *, showable: np.ndarray, until: datetime
    ) -> "Collaborative":
        """The model with updated factors and counts, without a refit. The content priors stay.

        showable (s,) int64: ids of the listings that may still be shown.
        """
        return replace(
            self,
            als=als,
            neighbours=_neighbours(counts, self.recipe, als.listing_ids, showable),
            index=build_index(als.item_factors, seed=INDEX_SEED),
            trained_until=until,
            digest="",
        )

    def covisited(self, items: Rows, weights: Vector) -> Vector:
        """Co-visitation score of each item for an actor with these items (m,) and weights (m,): (n,)"""
        return self.neighbours.score(items, weights)


@dataclass(frozen=True)
class Content:
    """Content vectors by one encoder: listing_ids (n,) int64, vectors (n, d) float16."""

    encoder_version: str
    listing_ids: np.ndarray
    vectors: Matrix


def fit(
    history: InteractionHistory,
    recipe: TrainingConfig,
    *,
    version: str,
    content: Content | None = None,
    showable: np.ndarray | None = None,
    progress: ml_progress.Progress | None = None,
) -> tuple[Collaborative, Counts]:
    """Fit a model on a history. Returns it with its raw counts, which refreshes update with later events.

    showable (s,) int64: ids of the listings that may still be shown; None: all of them.
    """
    listing_ids = history.listings
    model, _ = als.fit(
        recipe.confidence(history.matrix(listing_ids)),
        listing_ids,
        factors=recipe.factors,
        iterations=recipe.iterations,
        regularisation=recipe.regularisation,
        seed=recipe.seed,
        progress=progress,
    )
    counts = covisitation.count(
        history.sequences(listing_ids), item_count=len(listing_ids), counting=recipe.counting
    )
    prior, smoother = _fit_content(model, counts.degrees, content, recipe)
    fitted = Collaborative(
        version=version,
        recipe=recipe,
        als=model,
        neighbours=_neighbours(counts, recipe, listing_ids, showable),
        index=build_index(model.item_factors, seed=INDEX_SEED),
        prior=prior,
        smoother=smoother,
        encoder_version=content.encoder_version if content else "",
        trained_until=history.until,
    )
    return fitted, counts


def _neighbours(
    counts: Counts, recipe: TrainingConfig, listing_ids: np.ndarray, showable: np.ndarray | None
) -> Neighbours:
    targets = None if showable is None else np.isin(listing_ids, showable)
    weights = covisitation.normalise(counts, recipe.normalisation)
    return covisitation.prune(weights, keep=recipe.neighbours, targets=targets)


def _fit_content(
    model: AlsModel, degrees: Vector, content: Content | None, recipe: TrainingConfig
) -> tuple[ContentPrior | None, ContentSmoother | None]:
    """The content priors, or None without enough vectors.

    degrees (n,): the number of actors of each item, the weight of its factors in the fit.
    """
    if content is None:
        return None, None
    items = Positions.of(model.listing_ids).find(content.listing_ids)
    known = items >= 0
    if known.sum() < LEAST_FOR_PRIOR:
        return None, None
    vectors, factors, trust = content.vectors[known], model.item_factors[items[known]], degrees[items[known]]
    prior = content_prior.fit(vectors, factors, trust, regularisation=recipe.prior_regularisation)
    return prior, content_prior.fit_smoother(vectors, regularisation=recipe.smoother_regularisation)
