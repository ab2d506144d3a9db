"""The feed that an actor would get now, with scores, and what was left out. Nothing is stored or counted."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from listings import queries
from listings.models import Actor, Listing
from ml.arrays import Rows
from recommendations.feed import experiments
from recommendations.feed.order import Order
from recommendations.feed.pipeline import FeedContext, read_context
from recommendations.interactions.retractions import unwanted_by
from recommendations.models.feature_names import SOURCES
from recommendations.ranking.explanations import explain, reason_codes, related
from recommendations.ranking.exploration import ExploredOrder
from recommendations.replica import follower
from recommendations.retrieval.filters import Filters, allowed_rows
from recommendations.slates.results import Reason

SAMPLE = 8  # listings that are named for each reason to leave some out
SEED = 0  # of the draws of exploration: a preview does not change between two looks


@dataclass(frozen=True)
class PreviewedPlace:
    """One place of the feed. shares: what each source added to the score, the greatest first."""

    number: int  # 1 is the first
    listing: Listing
    reason: Reason | None
    score: float
    adjusted: float  # the part of the score that boosts and penalties added
    shares: list[tuple[str, float]]
    is_by_chance: bool
    propensity: float


@dataclass(frozen=True)
class LeftOut:
    """Listings for sale that are not in the feed for the same reason."""

    reason: str
    count: int
    sample: list[Listing]


@dataclass(frozen=True)
class Preview:
    places: list[PreviewedPlace]
    left_out: list[LeftOut]
    live_count: int  # listings for sale, of which the feed is made
    allowed_count: int
    candidate_count: int
    order_length: int
    variant: str | None  # of the experiment in which the actor takes part


@dataclass(frozen=True, eq=False)
class RankedFeed:
    """The steps of one feed, for whoever wants to know more than the page."""

    context: FeedContext
    explored: ExploredOrder
    order: Order
    variant: str | None

    @property
    def rows(self) -> Rows:
        """Rows of the snapshot in the order of the feed: (m,) int32"""
        return self.context.ranked.rows[self.explored.order]


def rank_feed(actor: Actor, *, now: datetime) -> RankedFeed:
    """The whole order of the feed of this actor, as a request would make it.   Raises ReplicaNotReady."""
    snapshot = follower.snapshot()
    assignment = experiments.assignment(actor, now)
    context = read_context(snapshot, actor, Filters(), assignment.parameters, now)
    explored = context.explored(np.random.default_rng(SEED))
    rows = context.ranked.rows
    is_related = related(snapshot, context.profile, rows)
    reasons = reason_codes(context.ranked, explored, context.boosted(rows) > 1, is_related)
    order = Order.of(snapshot, context.ranked, explored, reasons)
    return RankedFeed(context, explored, order, assignment.exposure.get("variant"))


def preview_feed(actor: Actor, *, limit: int, now: datetime) -> Preview:
    """The first listings of the feed of this actor, and what was left out.   Raises ReplicaNotReady."""
    feed = rank_feed(actor, now=now)
    return Preview(
        places=_places(feed, limit),
        left_out=[each for each in _left_out(feed, actor) if each.count],
        live_count=int(feed.context.snapshot.alive.sum()),
        allowed_count=int(feed.context.allowed.sum()),
        candidate_count=len(feed.context.candidates.rows),
        order_length=len(feed.order.listing_ids),
        variant=feed.variant,
    )


def shares_at(feed: RankedFeed, place: int) -> list[tuple[str, float]]:
    """What each source added to the score of a place, as shares of their sum, the greatest first."""
    added = np.nan_to_num(feed.context.ranked.shares[feed.explored.order[place]]).clip(min=0)
    total = float(added.sum())
    if not total:
        return []
    largest = np.argsort(-added, kind="stable")
    return [(SOURCES[source], float(added[source]) / total) for source in largest if added[source]]


def _places(feed: RankedFeed, limit: int) -> list[PreviewedPlace]:
    order = feed.order
    shown = queries.first_visible(order.listing_ids, limit)
    places = [order.place[listing.pk] for listing in shown]
    codes = [order.reasons[place] for place in places]
    ids = [listing.pk for listing in shown]
    reasons = explain(feed.context.snapshot, feed.context.profile, ids, codes)
    by_chance = set(feed.explored.places.tolist())
    return [
        PreviewedPlace(
            number=place + 1,
            listing=listing,
            reason=reason,
            score=float(np.nan_to_num(order.score[place])),
            adjusted=float(np.nan_to_num(order.adjusted[place])),
            shares=shares_at(feed, place),
            is_by_chance=place in by_chance,
            propensity=float(order.propensities[place]),
        )
        for place, listing, reason in zip(places, shown, reasons, strict=True)
    ]


def _left_out(feed: RankedFeed, actor: Actor) -> Iterator[LeftOut]:
    """Each live row that is not in the order, under the first reason that applies."""
    snapshot = feed.context.snapshot
    found: list[tuple[str, Rows]] = []
    left = snapshot.alive.copy()
    left[feed.rows] = False
    for reason, applies in reasons_to_leave_out(feed, actor):
        found.append((reason, np.flatnonzero(left & applies)))
        left &= ~applies
    ids = [snapshot.attributes["listing_id"][rows[:SAMPLE]].tolist() for _, rows in found]
    shown = {each.pk: each for each in queries.public_in_order([pk for own in ids for pk in own])}
    for (reason, rows), own in zip(found, ids, strict=True):
        yield LeftOut(reason, len(rows), [shown[pk] for pk in own if pk in shown])


def reasons_to_leave_out(feed: RankedFeed, actor: Actor) -> Iterator[tuple[str, np.ndarray]]:
    """Each reason why a row is not in the order, and the rows (rows,) bool that it holds for.

    A row may have several; the first counts. The last one holds for every row.
    """
    context, snapshot, profile = feed.context, feed.context.snapshot, feed.context.profile
    unwanted = unwanted_by(actor)
    yield "The actor sells it", snapshot.attributes["seller_id"] == profile.actor_id
    yield "The actor hid or reported it", _among(feed, unwanted)
    yield "The actor has opened or kept it already", _among(feed, profile.seen - unwanted)
    satisfied = np.isin(snapshot.attributes["category_id"], list(profile.satisfied))
    yield "The actor has just bought what they looked for in its category", satisfied
    yield "It rests: the actor was shown it often and never opened it", ~context.allowed
    is_candidate = np.zeros(snapshot.row_count, bool)
    is_candidate[context.candidates.rows] = True
    is_gathered = np.zeros(snapshot.row_count, bool)
    is_gathered[context.gathered.rows] = True
    yield "No source proposes it: it is not like what the actor likes, nor popular, new or near", ~is_gathered
    yield "It shows the photo of another listing that stands in its place", ~is_candidate
    yield "Others score higher, or its seller or category has enough places", np.ones(len(is_candidate), bool)


def _among(feed: RankedFeed, listing_ids: frozenset[int]) -> np.ndarray:
    """Which rows are of these listings: (rows,) bool"""
    snapshot = feed.context.snapshot
    return snapshot.alive & ~allowed_rows(snapshot, Filters(), excluded_listings=listing_ids)
