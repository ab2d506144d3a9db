"""Fallback of the feed: trending and new listings, without a snapshot of the catalogue.

It serves until the first listing is embedded, and where a process cannot load its snapshot.
"""

from datetime import datetime

from redis.exceptions import RedisError

from listings import queries
from listings.models import Actor, Listing
from recommendations.interactions.retractions import unwanted_by
from recommendations.popularity import trending
from recommendations.popularity.impression_counts import YOUNG
from recommendations.replica import follower
from recommendations.replica.follower import ReplicaNotReady
from recommendations.retrieval.filters import Filters, listings_passing
from recommendations.slates.results import SENTENCES, Item, Page, Reason, ReasonCode

CATALOGUE_INPUT, TRENDING_INPUT = "catalogue", "trending"


def build_fallback(*, actor: Actor | None, filters: Filters, limit: int, now: datetime) -> Page:
    """Listings that pass the filters: the trending ones first, then the newest. Raises NoSuchCategory.

    There is one page and no slate; `degraded` names the missing inputs.
    """
    trending_ids, missing = _trending()
    passing = listings_passing(filters, None if actor is None else actor.pk).exclude(
        pk__in=unwanted_by(actor)
    )
    passing_ids = set(passing.filter(pk__in=trending_ids).values_list("pk", flat=True))
    first = [pk for pk in trending_ids if pk in passing_ids][:limit]
    others = passing.exclude(pk__in=first).order_by("-created_at", "-pk").values_list("pk", flat=True)
    newest = list(others[: limit - len(first)])
    shown = queries.first_visible([*first, *newest], limit)
    items = [_item(listing, _code(listing, passing_ids, now)) for listing in shown]
    return Page(items, degraded=sorted({CATALOGUE_INPUT, *missing}))


def _trending() -> tuple[list[int], list[str]]:
    """Ids of trending listings, the highest score first, and the names of inputs that did not answer."""
    try:
        return trending.top()[0].tolist(), []
    except RedisError:
        return [], [TRENDING_INPUT]


def _code(listing: Listing, trending_ids: set[int], now: datetime) -> ReasonCode:
    if listing.pk in trending_ids:
        return ReasonCode.TRENDING
    return ReasonCode.NEW if listing.created_at > now - YOUNG else ReasonCode.MORE


def _item(listing: Listing, code: ReasonCode) -> Item:
    return Item(listing, 0.0, {}, reason=Reason(code, SENTENCES[code]))


def missing_inputs() -> list[str]:
    """Names of the inputs that a feed goes without: those that do not answer, and untrained models."""
    try:
        untrained = set() if follower.snapshot().collaborative else {"collaborative"}
    except ReplicaNotReady:
        untrained = {CATALOGUE_INPUT}
    return sorted({*follower.degraded(), *untrained})
