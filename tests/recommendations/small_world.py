"""A catalogue and a model small enough to check by eye: listings 1, 2, 3 ... with made-up vectors."""

import numpy as np

from ml.collaborative import als
from ml.collaborative.content_prior import ContentPrior, ContentSmoother
from ml.collaborative.covisitation import Neighbours
from ml.encoder.blocks import Blocks
from ml.vector_index import build_index
from recommendations.collaborative.config import TrainingConfig
from recommendations.collaborative.model import Collaborative
from recommendations.replica.columns import ATTRIBUTES, Columns, PhotoRows
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.taste.profile import UserProfile

BLOCKS = Blocks(look=2, meaning=2, words=4)
ENCODER = "v"


def words(direction: int) -> np.ndarray:
    """A vector of words alone, which point one of four ways."""
    vector = np.zeros(BLOCKS.dimension, np.float32)
    vector[4 + direction] = 1
    return vector


def columns(*listings: tuple[int, int]) -> Columns:
    """(listing id, direction of its words) with no photos, published in the order of their ids."""
    attributes = np.zeros(len(listings), ATTRIBUTES)
    for name in ("listing_id", "created_at"):
        attributes[name] = [listing_id for listing_id, _ in listings]
    vectors = np.array([words(direction) for _, direction in listings], np.float16)
    return Columns(attributes, vectors.reshape(-1, BLOCKS.dimension), PhotoRows.none(BLOCKS.photo_dimension))


def load(*listings: tuple[int, int]) -> CatalogueSnapshot:
    """A snapshot of these, with nothing in its tail."""
    base = columns(*listings)
    index = build_index(base.vectors, seed=0) if listings else None
    return CatalogueSnapshot.load(ENCODER, BLOCKS, base, index, seq=0)


def changed(snapshot: CatalogueSnapshot, listing_ids, *live: tuple[int, int], seq=1) -> CatalogueSnapshot:
    return snapshot.with_changes(np.array(listing_ids), columns(*live), seq)


def model(
    factors: dict[int, tuple[float, float]],
    leads: dict[int, dict[int, float]] | None = None,
    *,
    prior: ContentPrior | None = None,
    smoother: ContentSmoother | None = None,
    encoder_version: str = ENCODER,
    recipe: TrainingConfig | None = None,
) -> Collaborative:
    """A model of listings with these factors; leads: listing -> {listing: weight}, where people go on to."""
    ids = np.array(list(factors), np.int64)
    item_factors = np.array(list(factors.values()), np.float32)
    items, weights = np.zeros((len(ids), len(ids)), np.int32), np.zeros((len(ids), len(ids)), np.float16)
    for source, targets in (leads or {}).items():
        for place, (target, weight) in enumerate(targets.items()):
            row = ids.tolist().index(source)
            items[row, place], weights[row, place] = ids.tolist().index(target), weight
    return Collaborative(
        version="1",
        recipe=recipe or TrainingConfig(),
        als=als.of_factors(ids, item_factors, np.eye(2, dtype=np.float32), 1.0),
        neighbours=Neighbours(items, weights),
        index=build_index(item_factors, seed=0),
        prior=prior,
        smoother=smoother,
        encoder_version=encoder_version,
    )


def taste(
    snapshot: CatalogueSnapshot, touched: dict[int, float], *, interests: tuple[np.ndarray, ...] = ()
) -> UserProfile:
    """Of somebody who touched these listings, live or sold, with these weights."""
    listing_ids, weights = np.array(list(touched), np.int64), np.array(list(touched.values()), np.float32)
    model = snapshot.collaborative
    items = model.items_of(listing_ids) if model else None
    return UserProfile(
        listing_ids=listing_ids,
        weights=weights,
        interests=np.array(interests, np.float32).reshape(-1, snapshot.dimension),
        interest_weights=np.ones(len(interests), np.float32),
        factors=model and model.fold_in(items, weights),
        covisited=model and model.covisited(items, weights),
    )
