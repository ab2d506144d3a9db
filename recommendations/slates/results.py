"""Results that answers are made of: pages of listings, with their scores and reasons."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from listings.models import Listing


class ReasonCode(StrEnum):
    """Why a listing is in the feed. Stored with the slate."""

    BECAUSE_YOU_VIEWED = "because_you_viewed"
    PEOPLE_ALSO_LIKED = "people_also_liked"
    TRENDING = "trending"
    TRENDING_NEARBY = "trending_nearby"
    NEW = "new"
    NEW_NEAR_YOU = "new_near_you"
    NEAR_YOU = "near_you"
    MORE = "more"
    EXPLORING = "exploring"
    BOOSTED = "boosted"


SENTENCES = {
    ReasonCode.BECAUSE_YOU_VIEWED: "Like what you viewed",
    ReasonCode.PEOPLE_ALSO_LIKED: "People who like the same liked this",
    ReasonCode.TRENDING: "Popular right now",
    ReasonCode.TRENDING_NEARBY: "Popular near you right now",
    ReasonCode.NEW: "Just listed",
    ReasonCode.NEW_NEAR_YOU: "Just listed near you",
    ReasonCode.NEAR_YOU: "Near where you look",
    ReasonCode.MORE: "More from this marketplace",
    ReasonCode.EXPLORING: "New here, and few have seen it yet",
    ReasonCode.BOOSTED: "Highlighted by the marketplace",
}


@dataclass(frozen=True)
class Reason:
    """Why a listing is in the feed, as the API answers it."""

    code: ReasonCode
    sentence: str
    evidence: tuple[str, ...] = ()  # external ids of listings that the actor touched, the strongest first


@dataclass(frozen=True)
class Item:
    """One recommended listing with its score from each source; None where a source does not know it."""

    listing: Listing
    score: float
    scores: dict[str, float | None]
    copies: tuple[str, ...] = ()  # external ids of listings folded into this one: they show the same photo
    reason: Reason | None = None  # in the feed only
    position: int | None = None  # its place in the slate, from 0, where the whole order is stored
    distance_km: float | None = None  # from where the actor looks; None where either place is unknown


@dataclass(frozen=True)
class Page:
    """One page of an answer. slate_id and next_cursor are None where no slate was stored or nothing follows.

    degraded: names of the inputs that were not available.
    """

    items: Sequence[Item]
    degraded: list[str] = field(default_factory=list)
    slate_id: str | None = None
    next_cursor: str | None = None
    notes: list[str] = field(default_factory=list)  # what was sent and could not be used
