"""The personalised feed, read from top to bottom."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from listings import queries
from listings.models import Actor, Listing
from recommendations import replica
from recommendations.candidates import SOURCES, gather
from recommendations.filters import Filters, allowed_rows
from recommendations.ranking import Ranked, rank
from recommendations.taste import read_taste
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


def build_feed(*, actor: Actor | None, filters: Filters, limit: int, now: datetime) -> Page:
    """The listings to show this actor now. Raises NotReady, NoSuchCategory."""
    view = replica.view()
    taste = read_taste(actor, view, now=now)
    allowed = allowed_rows(view, filters, without=taste.seen, not_of=taste.actor_id)
    candidates = gather(view, taste, allowed, now=now)
    ranked = rank(candidates, taste, view.blend)
    return Page(hydrate(view, ranked, limit), degraded=replica.degraded())


def hydrate(view: View, ranked: Ranked, limit: int) -> list[Item]:
    """The first listings of the order that are still active: the index proposes, the database disposes."""
    ids = view.attributes["listing_id"][ranked.rows].tolist()
    place = {pk: position for position, pk in enumerate(ids)}
    return [
        Item(
            listing,
            float(np.nan_to_num(ranked.score[place[listing.pk]])),
            _by_source(ranked.sources[place[listing.pk]]),
        )
        for listing in queries.first_visible(ids, limit)
    ]


def _by_source(scores: np.ndarray) -> dict[str, float | None]:
    return {
        source: None if np.isnan(score) else round(float(score), 4)
        for source, score in zip(SOURCES, scores, strict=True)
    }
