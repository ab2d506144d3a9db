"""What answers are made of: listings with their scores, and the order that a page is cut from."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from listings.models import Actor, Listing
from ml.arrays import Matrix, Vector
from recommendations import slates
from recommendations.candidates import SOURCES
from recommendations.explanations import Reason
from recommendations.exploring import Explored
from recommendations.features import FEATURES
from recommendations.models import Slate
from recommendations.ranking import Ranked
from recommendations.view import View


@dataclass(frozen=True)
class Item:
    """One recommended listing, and what each source thought of it; None where a source does not know it."""

    listing: Listing
    score: float
    scores: dict[str, float | None]
    copies: tuple[str, ...] = ()  # external ids of listings folded into this one: they show the same photo
    reason: Reason | None = None  # of the feed


@dataclass(frozen=True)
class Page:
    items: list[Item]
    degraded: list[str] = field(default_factory=list)
    slate_id: str | None = None
    next_cursor: str | None = None


@dataclass(frozen=True, eq=False)
class Order:
    """Listings in the order in which they are offered, best first, at most as many as a slate holds."""

    listing_ids: list[int]  # (m,)
    score: Vector  # (m,) float32, NaN where no source knew anything
    adjusted: Vector  # (m,) float32: what of it is neither the blend's nor the ranker's
    features: Matrix  # (m, len(FEATURES)) float32, NaN = unknown
    propensities: Vector  # (m,) float32, 1 but where chance decided
    reasons: list[str]  # (m,) codes
    weights: dict[str, float] = field(default_factory=dict)  # of sources, as they were blended

    @classmethod
    def of(cls, view: View, ranked: Ranked, explored: Explored, reasons: list[str]) -> "Order":
        best = explored.order
        return cls(
            view.attributes["listing_id"][ranked.rows[best]].tolist(),
            ranked.score[best],
            ranked.adjusted[best],
            ranked.features[best],
            explored.propensities,
            reasons,
            {source: round(float(weight), 4) for source, weight in zip(SOURCES, ranked.weights, strict=True)},
        )

    @classmethod
    def from_slate(cls, slate: Slate) -> "Order":
        """As it was kept; a feature of an earlier release says nothing any more."""
        kept = slates.features_of(slate)
        column = {name: kept[:, place] for place, name in enumerate(slate.feature_names)}
        unknown = np.full(len(kept), np.nan, np.float32)
        features = np.column_stack([column.get(name, unknown) for name in FEATURES])
        adjusted, propensities = column.get("adjusted", unknown), slates.propensities_of(slate)
        return cls(slate.listing_ids, column["score"], adjusted, features, propensities, slate.reasons)

    @cached_property
    def place(self) -> dict[int, int]:
        return {pk: position for position, pk in enumerate(self.listing_ids)}

    def item(self, listing: Listing, reason: Reason | None) -> Item:
        place = self.place[listing.pk]
        sources = _by_source(self.features[place, : len(SOURCES)])
        return Item(listing, float(np.nan_to_num(self.score[place])), sources, reason=reason)

    def draft(
        self, view: View, actor: Actor | None, parameters: dict[str, Any], *, seed: int
    ) -> slates.Draft:
        """What is to be kept of it."""
        return slates.Draft(
            surface=Slate.Surface.FEED,
            actor=actor,
            listing_ids=self.listing_ids,
            feature_names=(*FEATURES, "adjusted", "score"),
            features=np.column_stack([self.features, self.adjusted, self.score]).astype(np.float32),
            propensities=self.propensities,
            reasons=self.reasons,
            seed=seed,
            versions=versions_of(view),
            parameters={**parameters, "weights": self.weights},
        )


def versions_of(view: View) -> dict[str, str]:
    """Of what a ranking was made with."""
    models = {"collaborative": view.collaborative, "ranker": view.ranker}
    return {"encoder": view.encoder_version} | {name: it.version for name, it in models.items() if it}


def _by_source(scores: np.ndarray) -> dict[str, float | None]:
    return {
        source: None if np.isnan(score) else round(float(score), 4)
        for source, score in zip(SOURCES, scores, strict=True)
    }
