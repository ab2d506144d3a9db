"""Slates that were written and served, without a feed."""

from datetime import datetime
from typing import Any

import numpy as np

from listings.models import Actor, Listing
from recommendations.interactions.recording import Event, record
from recommendations.models.slates import Slate
from recommendations.slates import store


def served(
    to: Actor | None,
    what: list[Listing],
    at: datetime,
    *,
    count: int | None = None,
    surface: str = Slate.Surface.FEED,
    parameters: dict[str, Any] | None = None,
) -> str:
    """A slate of these listings whose first `count` (all of them) were served; its id."""
    draft = store.SlateDraft(
        surface=surface,
        actor=to,
        listing_ids=[listing.pk for listing in what],
        feature_names=("score",),
        features=np.zeros((len(what), 1), np.float32),
        propensities=np.ones(len(what), np.float32),
        reasons=["new"] * len(what),
        seed=0,
        parameters=parameters or {},
    )
    slate = store.write(draft, now=at)
    store.log_impression(slate, offset=0, count=len(what) if count is None else count, now=at)
    return slate


def clicked(who: Actor, what: Listing, slate: str, at: datetime, kind: str = "click") -> None:
    event = Event(f"{slate}-{what.pk}-{kind}", who, what.external_id, kind, occurred_at=at, slate=slate)
    record(source="tests", events=[event], now=at)
