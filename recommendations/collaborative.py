"""What behaviour says of listings: ALS, co-visitation and the content prior, as one value that is asked.

Training makes it, the model store keeps it, serving asks it; nothing here reads the database.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml import als, content_prior, covisitation
from ml.als import AlsModel
from ml.arrays import Matrix, Rows, Vector
from ml.content_prior import ContentPrior
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
    prior: ContentPrior | None = None  # for listings that nobody touched yet
    encoder_version: str = ""  # whose vectors the prior reads

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
    weights = behaviour.matrix(listing_ids)
    confidence = weights.copy()
    confidence.data = 1 + recipe.alpha * confidence.data
    model, _ = als.fit(
        confidence,
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
    return assemble(version, recipe, model, counts, content=content, showable=showable), counts


def assemble(
    version: str,
    recipe: Recipe,
    model: AlsModel,
    counts: Counts,
    *,
    content: Content | None,
    showable: np.ndarray | None,
) -> Collaborative:
    """A model to be asked, from what was fitted and counted."""
    targets = None if showable is None else np.isin(model.listing_ids, showable)
    weights = covisitation.normalise(counts, recipe.normalisation)
    return Collaborative(
        version=version,
        recipe=recipe,
        als=model,
        neighbours=covisitation.prune(weights, keep=recipe.neighbours, targets=targets),
        index=build_index(model.item_factors, seed=INDEX_SEED),
        prior=_fit_prior(model, counts.degrees, content, recipe),
        encoder_version=content.encoder_version if content else "",
    )


def _fit_prior(
    model: AlsModel, degrees: Vector, content: Content | None, recipe: Recipe
) -> ContentPrior | None:
    """degrees (n,): how many touched each item, so how far its factors are to be trusted."""
    if content is None:
        return None
    items = Positions.of(model.listing_ids).find(content.listing_ids)
    known = items >= 0
    if known.sum() < LEAST_FOR_PRIOR:
        return None
    factors, trust = model.item_factors[items[known]], degrees[items[known]]
    return content_prior.fit(
        content.vectors[known], factors, trust, regularisation=recipe.prior_regularisation
    )
