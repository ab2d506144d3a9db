"""Why a listing is in a feed that was served: its reason, its evidence, and what each source added."""

from dataclasses import dataclass

import numpy as np

from listings import queries
from listings.errors import Missing
from listings.models import Actor, Listing
from recommendations.core.identity import is_identity_of
from recommendations.feed.order import Order
from recommendations.models.feature_names import SOURCES
from recommendations.models.slates import Slate
from recommendations.ranking.explanations import explain
from recommendations.replica import follower
from recommendations.replica.follower import ReplicaNotReady
from recommendations.slates import store
from recommendations.slates.results import SENTENCES, Reason, ReasonCode
from recommendations.taste.profile import read_profile


class NotInThatFeed(Missing):
    """The slate is gone, is somebody else's, or does not hold the listing."""

    def __init__(self) -> None:
        super().__init__("This feed is not kept any more.")


@dataclass(frozen=True)
class Explanation:
    """One place of a served feed, explained.

    shares: the part of each source in the score, the greatest first; they add up to 1. Only sources that
    speak for the listing. Empty where none does, and for slates of an earlier release.
    """

    listing: Listing
    reason: Reason | None
    evidence: list[Listing]  # what the actor touched, the strongest first
    shares: list[tuple[str, float]]


def explain_place(*, slate_id: str, listing_id: str, actor: Actor | None) -> Explanation:
    """Explain a listing, by its external id, in a feed of this actor.   Raises NotInThatFeed."""
    slate = store.find(slate_id)
    listing = queries.with_details(Listing.objects.filter(external_id=listing_id)).first()
    if slate is None or listing is None or slate.surface != Slate.Surface.FEED:
        raise NotInThatFeed
    if listing.pk not in slate.listing_ids or not _is_theirs(slate, actor):
        raise NotInThatFeed
    order = Order.from_slate(slate)
    place = order.place[listing.pk]
    reason = _reason(slate, listing, order.reasons[place], actor)
    evidence = queries.public_by_external_id(reason.evidence if reason else ())
    return Explanation(listing, reason, evidence, _shares(slate, order, place))


def _is_theirs(slate: Slate, actor: Actor | None) -> bool:
    return slate.actor_id is None or is_identity_of(slate.actor_id, actor)


def _reason(slate: Slate, listing: Listing, code: str, actor: Actor | None) -> Reason | None:
    """The reason with its evidence; without a snapshot, the sentence alone."""
    try:
        snapshot = follower.snapshot()
    except ReplicaNotReady:
        return Reason(ReasonCode(code), SENTENCES[ReasonCode(code)]) if code in SENTENCES else None
    return explain(snapshot, read_profile(actor, snapshot, now=slate.created_at), [listing.pk], [code])[0]


def _shares(slate: Slate, order: Order, place: int) -> list[tuple[str, float]]:
    """What each source added to the blend, as shares of everything that spoke for the listing."""
    scales, weights = slate.parameters.get("scales", {}), slate.parameters.get("weights", {})
    added: dict[str, float] = {}
    for source, score in zip(SOURCES, order.features[place].tolist(), strict=False):
        mean, deviation = scales.get(source, (0.0, 0.0))
        if not np.isnan(score) and deviation:
            added[source] = max((score - mean) / deviation * weights.get(source, 0.0), 0.0)
    total = sum(added.values())
    largest = sorted(added.items(), key=lambda pair: -pair[1])
    return [(source, part / total) for source, part in largest if part] if total else []
