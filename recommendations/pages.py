"""What answers are made of: listings with their scores, and the order that a page is cut from."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from listings.models import Actor, Listing
from ml.arrays import Matrix, Vector
from recommendations import slates
from recommendations.candidates import SOURCES
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
    score: Vector  # (m,) float32
    sources: Matrix  # (m, len(SOURCES)) float32, NaN where a source does not know a listing

    @classmethod
    def of(cls, view: View, ranked: Ranked) -> "Order":
        best = slice(0, slates.LONGEST)
        ids = view.attributes["listing_id"][ranked.rows[best]].tolist()
        return cls(ids, np.nan_to_num(ranked.score[best]), ranked.sources[best])

    @classmethod
    def from_slate(cls, slate: Slate) -> "Order":
        """As it was kept; a source of an earlier release says nothing any more."""
        features = slates.features_of(slate)
        column = {name: features[:, place] for place, name in enumerate(slate.feature_names)}
        unknown = np.full(len(features), np.nan, np.float32)
        sources = np.column_stack([column.get(name, unknown) for name in SOURCES])
        return cls(slate.listing_ids, column["score"], sources)

    @cached_property
    def place(self) -> dict[int, int]:
        return {pk: position for position, pk in enumerate(self.listing_ids)}

    def item(self, listing: Listing) -> Item:
        place = self.place[listing.pk]
        return Item(listing, float(self.score[place]), _by_source(self.sources[place]))

    def draft(self, view: View, actor: Actor | None, parameters: dict[str, Any]) -> slates.Draft:
        """What is to be kept of it. Nothing of it was drawn by chance."""
        count = len(self.listing_ids)
        return slates.Draft(
            surface=Slate.Surface.FEED,
            actor=actor,
            listing_ids=self.listing_ids,
            feature_names=(*SOURCES, "score"),
            features=np.column_stack([self.sources, self.score]).astype(np.float32),
            propensities=np.ones(count, np.float32),
            reasons=["" for _ in range(count)],
            seed=0,
            versions=versions_of(view),
            parameters=parameters,
        )


def versions_of(view: View) -> dict[str, str]:
    """Of what a ranking was made with."""
    model = view.collaborative
    return {"encoder": view.encoder_version} | ({"collaborative": model.version} if model else {})


def _by_source(scores: np.ndarray) -> dict[str, float | None]:
    return {
        source: None if np.isnan(score) else round(float(score), 4)
        for source, score in zip(SOURCES, scores, strict=True)
    }
