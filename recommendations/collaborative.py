"""What behaviour says of listings: ALS, co-visitation and the content prior, as one value that is asked.

Training makes it, the model store keeps it, serving asks it; nothing here reads the database.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np

from ml import als, content_prior, covisitation
from ml.als import AlsModel
from ml.arrays import Matrix, Rows, Vector
from ml.content_prior import ContentPrior, ContentSmoother
from ml.covisitation import Counts, Neighbours
from ml.vector_index import VectorIndex, build_index
from recommendations.behaviour import Behaviour
from recommendations.columns import Positions
from recommendations.recipe import Recipe

INDEX_SEED = 7
LEAST_FOR_PRIOR = 50  # touched listings with a vector; fewer do not tell what content says of behaviour


@dataclass(frozen=True)
class Collaborative:
    """A trained model, ready to be asked. Its items are the listings that anybody touched, sold ones too."""

    version: str
    recipe: Recipe
    als: AlsModel
    neighbours: Neighbours  # over the same items; only what may still be shown is anybody's neighbour
    index: VectorIndex  # over the item factors, to retrieve before scoring
    prior: ContentPrior | None = None  # for listings that nobody touched yet: their factors
    smoother: ContentSmoother | None = None  # and their co-visitation scores
    encoder_version: str = ""  # whose vectors these two read
    trained_until: datetime | None = None  # what happened later it has not seen
    digest: str = ""  # of its files, once it was loaded from them

    @property
    def listing_ids(self) -> np.ndarray:
        """(n,) int64: which listing each item is."""
        return self.als.listing_ids

    @cached_property
    def positions(self) -> Positions:
        return Positions.of(self.listing_ids)

    def items_of(self, listing_ids: np.ndarray) -> Rows:
        """(m,) int64 -> (m,) int64, -1 for listings that the model does not know."""
        return self.positions.find(listing_ids)

    def fold_in(self, items: Rows, weights: Vector) -> Vector:
        """Factors (k,) float32 of an actor who touched these items (m,), each once, with weights (m,) > 0."""
        return self.als.fold_in(items, 1 + self.recipe.alpha * weights)

    def contributions(self, items: Rows, weights: Vector, target: Vector) -> Vector:
        """What each of these touched items adds to the score of one with these factors (k,): (m,) float32."""
        return self.als.contributions(items, 1 + self.recipe.alpha * weights, target)

    def brought_up_to_date(
        self, als: AlsModel, counts: Counts, *, showable: np.ndarray, until: datetime
    ) -> "Collaborative":
        """The model after listings were folded in and counted, without a refit; its prior stays.

        showable (s,) int64: listings that may still be shown.
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
        """How much who touched these items (m,), with these weights (m,), goes on to each item: (n,)."""
        return self.neighbours.score(items, weights)


@dataclass(frozen=True)
class Content:
    """Vectors of listings in the space of one encoder: listing_ids (n,) int64, vectors (n, d) float16."""

    encoder_version: str
    listing_ids: np.ndarray
    vectors: Matrix


def fit(
    behaviour: Behaviour,
    recipe: Recipe,
    *,
    version: str,
    content: Content | None = None,
    showable: np.ndarray | None = None,
    progress: als.Progress | None = None,
) -> tuple[Collaborative, Counts]:
    """A model of this behaviour, and the counts that later events are added to.

    showable (s,) int64: listings that may still be shown; None: all may.
    """
    listing_ids = behaviour.listings
    model, _ = als.fit(
        recipe.confidence(behaviour.matrix(listing_ids)),
        listing_ids,
        factors=recipe.factors,
        iterations=recipe.iterations,
        regularisation=recipe.regularisation,
        seed=recipe.seed,
        progress=progress,
    )
    counts = covisitation.count(
        behaviour.sequences(listing_ids), item_count=len(listing_ids), counting=recipe.counting
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
        trained_until=behaviour.until,
    )
    return fitted, counts


def _neighbours(
    counts: Counts, recipe: Recipe, listing_ids: np.ndarray, showable: np.ndarray | None
) -> Neighbours:
    targets = None if showable is None else np.isin(listing_ids, showable)
    weights = covisitation.normalise(counts, recipe.normalisation)
    return covisitation.prune(weights, keep=recipe.neighbours, targets=targets)


def _fit_content(
    model: AlsModel, degrees: Vector, content: Content | None, recipe: Recipe
) -> tuple[ContentPrior | None, ContentSmoother | None]:
    """degrees (n,): how many touched each item, so how far its factors are to be trusted."""
    if content is None:
        return None, None
    items = Positions.of(model.listing_ids).find(content.listing_ids)
    known = items >= 0
    if known.sum() < LEAST_FOR_PRIOR:
        return None, None
    vectors, factors, trust = content.vectors[known], model.item_factors[items[known]], degrees[items[known]]
    prior = content_prior.fit(vectors, factors, trust, regularisation=recipe.prior_regularisation)
    return prior, content_prior.fit_smoother(vectors, regularisation=recipe.smoother_regularisation)
