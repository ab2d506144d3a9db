"""Results that answers are made of: pages of listings, with their scores and reasons."""

from dataclasses import dataclass, field
from enum import StrEnum

from listings.models import Listing


class Code(StrEnum):
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
    Code.BECAUSE_YOU_VIEWED: "Like what you viewed",
    Code.PEOPLE_ALSO_LIKED: "People who like the same liked this",
    Code.TRENDING: "Popular right now",
    Code.TRENDING_NEARBY: "Popular near you right now",
    Code.NEW: "Just listed",
    Code.NEW_NEAR_YOU: "Just listed near you",
    Code.NEAR_YOU: "Near where you look",
    Code.MORE: "More from this marketplace",
    Code.EXPLORING: "New here, and few have seen it yet",
    Code.BOOSTED: "Highlighted by the marketplace",
}


@dataclass(frozen=True)
class Reason:
    """Why a listing is in the feed, as the API answers it."""

    code: Code
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


@dataclass(frozen=True)
class Page:
    """One page of an answer. slate_id and next_cursor are None where no slate was stored or nothing follows.

    degraded: names of the inputs that were not available.
    """

    items: list[Item]
    degraded: list[str] = field(default_factory=list)
    slate_id: str | None = None
    next_cursor: str | None = None
