"""Why a listing is, or is not, in the feed that an actor would get now."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from listings.models import Actor, Listing
from recommendations.feed.preview import RankedFeed, rank_feed, reasons_to_leave_out, shares_at
from recommendations.ranking.explanations import explain

NOT_FOR_SALE = {
    Listing.Status.DRAFT: "It was never published.",
    Listing.Status.RESERVED: "It is reserved.",
    Listing.Status.SOLD: "It is sold.",
    Listing.Status.WITHDRAWN: "It is withdrawn.",
}


@dataclass(frozen=True)
class Verdict:
    """Whether the listing is in the feed, at which place, and why or why not.

    scores: of each source that knows the listing, as it scores all candidates; empty where it is none.
    """

    is_shown: bool
    sentence: str
    place: int | None = None  # 1 is the first
    shares: tuple[tuple[str, float], ...] = ()


def find_verdict(listing: Listing, actor: Actor, *, now: datetime) -> Verdict:
    """Why this listing is or is not in the feed of this actor.   Raises ReplicaNotReady."""
    if listing.status != Listing.Status.ACTIVE:
        return Verdict(False, NOT_FOR_SALE[Listing.Status(listing.status)])
    feed = rank_feed(actor, now=now)
    row = int(feed.context.snapshot.rows_of(np.array([listing.pk]))[0])
    if row < 0:
        return Verdict(False, "It waits for its vectors, and follows within seconds of having them.")
    places = np.flatnonzero(feed.rows == row)
    if len(places):
        return _shown(feed, listing, int(places[0]))
    reason = next(reason for reason, rows in reasons_to_leave_out(feed, actor) if rows[row])
    ranks = np.flatnonzero(feed.context.ranked.rows == row)
    ranked = (
        f" It is number {int(ranks[0]) + 1} of {len(feed.context.ranked.rows)} candidates."
        if len(ranks)
        else ""
    )
    return Verdict(False, f"{reason}.{ranked}")


def _shown(feed: RankedFeed, listing: Listing, place: int) -> Verdict:
    codes = [feed.order.reasons[place]]
    (reason,) = explain(feed.context.snapshot, feed.context.profile, [listing.pk], codes)
    sentence = reason.sentence if reason else "It is in the feed."
    return Verdict(True, f"{sentence}.", place + 1, tuple(shares_at(feed, place)))
