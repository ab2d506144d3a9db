"""Where a listing stands among those similar to its nearest neighbour, for its seller."""

from dataclasses import dataclass

from listings.models import Listing
from recommendations.replica.follower import ReplicaNotReady
from recommendations.retrieval.filters import Filters
from recommendations.similar.listings import SimilarityBasis, find_similar
from recommendations.slates.results import Item

LOOKED_AT = 20  # listings similar to the neighbour


@dataclass(frozen=True)
class Standing:
    """The most similar listing, and the place among what is similar to that: 1 is the first, None beyond."""

    neighbour: Listing
    place: int | None
    around: list[Item]  # what is similar to the neighbour, this listing included where it has a place


def find_standing(listing: Listing) -> Standing | None:
    """None while the listing waits for its vector, and where nothing is similar to it."""
    try:
        nearest = _similar_to(listing, 1)
        if not nearest:
            return None
        around = _similar_to(nearest[0].listing, LOOKED_AT)
    except ReplicaNotReady:
        return None
    places = [number for number, item in enumerate(around, start=1) if item.listing.pk == listing.pk]
    return Standing(nearest[0].listing, places[0] if places else None, around)


def _similar_to(listing: Listing, limit: int) -> list[Item]:
    return list(find_similar(listing=listing, by=SimilarityBasis.BOTH, filters=Filters(), limit=limit).items)
