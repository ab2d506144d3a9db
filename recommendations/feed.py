"""The personalised feed, read from top to bottom."""

from dataclasses import replace
from datetime import datetime

from listings import queries
from listings.models import Actor
from recommendations import boosts, experiments, replica, slates
from recommendations.candidates import gather
from recommendations.filters import Filters, allowed_rows
from recommendations.matching import unwanted_by
from recommendations.pages import Order, Page
from recommendations.ranking import rank
from recommendations.taste import read_taste


def build_feed(
    *, actor: Actor | None, filters: Filters, limit: int, now: datetime, is_kept: bool = True
) -> Page:
    """The listings to show this actor now. Raises NotReady, NoSuchCategory.

    Unless `is_kept` is false, what is shown, and what would come after it, is kept as a slate: its id is what
    events name, and its cursor leads to the next page.
    """
    view = replica.view()
    taste = read_taste(actor, view, now=now)
    given = experiments.assignment(actor, now)
    allowed = allowed_rows(view, filters, without=taste.seen, not_of=taste.actor_id)
    candidates = gather(view, taste, allowed, now=now)
    boosted = boosts.factors(view, candidates.rows, boosts.active(now))
    ranked = rank(candidates, taste, view.blend, boosted=boosted, multipliers=given.parameters.source_weights)
    order = Order.of(view, ranked)
    slate = None
    if is_kept:
        parameters = {**given.exposure, "filters": filters.to_json(), "limit": limit}
        slate = slates.write(order.draft(view, actor, parameters), now=now)
    return _page(order, slate, actor=actor, offset=0, limit=limit, now=now)


def next_page(*, cursor: str, actor: Actor | None, limit: int, now: datetime) -> Page:
    """What comes after a page that was served: the order stays, less what was sold or hidden since.

    Raises BadCursor.
    """
    slate, offset = slates.read_cursor(cursor, actor=actor, now=now)
    order = Order.from_slate(slate)
    hidden = unwanted_by(actor)
    return _page(order, slate.pk.hex, actor=actor, offset=offset, limit=limit, now=now, without=hidden)


def _page(
    order: Order,
    slate: str | None,
    *,
    actor: Actor | None,
    offset: int,
    limit: int,
    now: datetime,
    without: frozenset[int] = frozenset(),
) -> Page:
    """The first from an offset on that are still active: the index proposes, the database disposes."""
    rest = [pk for pk in order.listing_ids[offset:] if pk not in without]
    items = [order.item(listing) for listing in queries.first_visible(rest, limit)]
    page = Page(items, degraded=replica.degraded(), slate_id=slate)
    if slate is None or not items:
        return page
    end = order.place[items[-1].listing.pk] + 1
    slates.serve(slate, offset=offset, count=end - offset, now=now)
    if end >= len(order.listing_ids):
        return page
    return replace(page, next_cursor=slates.cursor_after(slate, offset=end, actor=actor, now=now))
