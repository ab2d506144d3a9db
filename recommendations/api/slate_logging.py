"""Slates of search, similar and recommend, so that their events are attributed like the feed's."""

from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

import numpy as np

from listings.models import Actor
from recommendations.feed.order import versions_of
from recommendations.replica import follower
from recommendations.replica.follower import ReplicaNotReady
from recommendations.retrieval.filters import Filters
from recommendations.slates import store
from recommendations.slates.results import Item, Page

AnyPage = TypeVar("AnyPage", bound=Page)


def log_page(
    page: AnyPage, *, surface: str, actor: Actor | None, request_parameters: dict[str, Any], now: datetime
) -> AnyPage:
    """Store the page as a slate with its impression; the page with the slate's id.

    An empty page is returned as it is, and so is one whose slate cannot be written. surface: a
    Slate.Surface. request_parameters: the parameters of the request, which the slate records.
    """
    if not page.items:
        return page
    sources = tuple(page.items[0].scores)
    draft = store.SlateDraft(
        surface=surface,
        actor=actor,
        listing_ids=[item.listing.pk for item in page.items],
        feature_names=(*sources, "score"),
        features=np.array([_scores(item, sources) for item in page.items], np.float32),
        propensities=np.ones(len(page.items), np.float32),
        reasons=[""] * len(page.items),
        seed=0,
        versions=_versions(),
        parameters=_as_json(request_parameters),
    )
    slate = store.write_or_none(draft, now=now, shown=range(len(page.items)))
    return replace(page, slate_id=slate)


def _scores(item: Item, sources: tuple[str, ...]) -> list[float]:
    known = [item.scores.get(source) for source in sources]
    return [*(np.nan if score is None else score for score in known), item.score]


def _versions() -> dict[str, str]:
    try:
        return versions_of(follower.snapshot())
    except ReplicaNotReady:
        return {}


def _as_json(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.to_json() if isinstance(value, Filters) else value for name, value in parameters.items()
    }
