"""The order of a feed: written to a slate, read back from it, and cut into pages."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from listings.models import Actor, Listing
from ml.arrays import Matrix, Vector
from ml.ranking.blending import column_scales
from recommendations.core.once import once
from recommendations.models.feature_names import FEATURES, SOURCES
from recommendations.models.slates import Slate
from recommendations.ranking.exploration import ExploredOrder
from recommendations.ranking.scoring import Ranked
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.slates import store
from recommendations.slates.results import Item, Reason

DISTANCE = FEATURES.index("distance_km")


@dataclass(frozen=True, eq=False)
class Order:
    """m listings, best first, at most MAX_SLATE_LENGTH."""

    listing_ids: list[int]  # (m,)
    score: Vector  # (m,) float32, NaN where no source knew the listing
    adjusted: Vector  # (m,) float32: the part of the score that boosts and penalties added
    features: Matrix  # (m, len(FEATURES)) float32, NaN = unknown
    propensities: Vector  # (m,) float32, 1 except where exploration drew the listing
    reasons: list[str]  # (m,) codes
    weights: dict[str, float] = field(default_factory=dict)  # of the sources, as they were blended
    scales: dict[str, tuple[float, float]] = field(default_factory=dict)  # source -> mean and deviation

    @classmethod
    def of(
        cls, snapshot: CatalogueSnapshot, ranked: Ranked, explored: ExploredOrder, reasons: list[str]
    ) -> "Order":
        best = explored.order
        return cls(
            snapshot.attributes["listing_id"][ranked.rows[best]].tolist(),
            ranked.score[best],
            ranked.adjusted[best],
            ranked.features[best],
            explored.propensities,
            reasons,
            {source: round(float(weight), 4) for source, weight in zip(SOURCES, ranked.weights, strict=True)},
            dict(zip(SOURCES, column_scales(ranked.sources), strict=True)),
        )

    @classmethod
    def from_slate(cls, slate: Slate) -> "Order":
        """The stored order. Features that this release does not know are left out."""
        stored = store.features_of(slate)
        column = {name: stored[:, place] for place, name in enumerate(slate.feature_names)}
        unknown = np.full(len(stored), np.nan, np.float32)
        features = np.column_stack([column.get(name, unknown) for name in FEATURES])
        adjusted, propensities = column.get("adjusted", unknown), store.propensities_of(slate)
        return cls(slate.listing_ids, column["score"], adjusted, features, propensities, slate.reasons)

    @once
    def place(self) -> dict[int, int]:
        """Listing id -> its position in the order."""
        return {pk: position for position, pk in enumerate(self.listing_ids)}

    def item(self, listing: Listing, reason: Reason | None) -> Item:
        place = self.place[listing.pk]
        sources = _by_source(self.features[place, : len(SOURCES)])
        distance_km = float(self.features[place, DISTANCE])
        return Item(
            listing,
            float(np.nan_to_num(self.score[place])),
            sources,
            reason=reason,
            position=place,
            distance_km=None if np.isnan(distance_km) else distance_km,
        )

    def draft(
        self, snapshot: CatalogueSnapshot, actor: Actor | None, parameters: dict[str, Any], *, seed: int
    ) -> store.SlateDraft:
        """The slate to store. parameters: what the slate records of the request, beside the weights."""
        return store.SlateDraft(
            surface=Slate.Surface.FEED,
            actor=actor,
            listing_ids=self.listing_ids,
            feature_names=(*FEATURES, "adjusted", "score"),
            features=np.column_stack([self.features, self.adjusted, self.score]).astype(np.float32),
            propensities=self.propensities,
            reasons=self.reasons,
            seed=seed,
            versions=versions_of(snapshot),
            parameters={**parameters, "weights": self.weights, "scales": self.scales},
        )


def _by_source(scores: np.ndarray) -> dict[str, float | None]:
    return {
        source: None if np.isnan(score) else round(float(score), 4)
        for source, score in zip(SOURCES, scores, strict=True)
    }


def versions_of(snapshot: CatalogueSnapshot) -> dict[str, str]:
    """Versions of the encoder and of the models that a ranking was made with."""
    models = {"collaborative": snapshot.collaborative, "ranker": snapshot.ranker}
    return {"encoder": snapshot.encoder_version} | {
        name: model.version for name, model in models.items() if model
    }
