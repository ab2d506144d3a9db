"""The lowest rungs of the ladder: what is trending and what is new, from the tables alone.

For the time before the first listing was embedded, and for a process that could not load its view.
"""

from datetime import datetime

from redis.exceptions import RedisError

from listings import queries
from listings.models import Actor, Listing
from recommendations import trending
from recommendations.explanations import SENTENCES, Code, Reason
from recommendations.exposure import YOUNG
from recommendations.filters import Filters
from recommendations.fulltext import listings_passing
from recommendations.matching import unwanted_by
from recommendations.pages import Item, Page

CATALOGUE, TRENDING = "catalogue", "trending"


def without_view(*, actor: Actor | None, filters: Filters, limit: int, now: datetime) -> Page:
    """What is trending, then what is newest, of what passes the filters. Raises NoSuchCategory.

    It leaves no slate and has one page; `degraded` says what it was made without.
    """
    hot, missing = _trending()
    passing = listings_passing(filters, actor and actor.pk).exclude(pk__in=unwanted_by(actor))
    known = set(passing.filter(pk__in=hot).values_list("pk", flat=True))
    first = [pk for pk in hot if pk in known][:limit]
    rest = passing.exclude(pk__in=first).order_by("-created_at", "-pk").values_list("pk", flat=True)
    newest = list(rest[: limit - len(first)])
    shown = queries.first_visible([*first, *newest], limit)
    items = [_item(it, _code(it, known, now)) for it in shown]
    return Page(items, degraded=sorted({CATALOGUE, *missing}))


def _trending() -> tuple[list[int], list[str]]:
    """Keys of listings, hottest first, and what could not be asked."""
    try:
        return trending.top()[0].tolist(), []
    except RedisError:
        return [], [TRENDING]


def _code(listing: Listing, hot: set[int], now: datetime) -> Code:
    if listing.pk in hot:
        return Code.TRENDING
    return Code.NEW if listing.created_at > now - YOUNG else Code.MORE


def _item(listing: Listing, code: Code) -> Item:
    return Item(listing, 0.0, {}, reason=Reason(code, SENTENCES[code]))
