"""The page of one listing: photos, details, what is similar, and what a shopper can do with it."""

from collections.abc import Callable
from functools import partial

from django.utils import timezone
from rest_framework import serializers

from listings import queries
from listings.models import Actor, Listing
from marketplace.storefront.cards import Card, cards_of, plain_cards
from marketplace.storefront.home import EventForm, record_event
from marketplace.storefront.pages import ShopPage, filled
from recommendations.api.slate_logging import log_page
from recommendations.api.tracking import logs_slate
from recommendations.interactions.own_listings import favourites_among
from recommendations.models.events import Interaction
from recommendations.models.slates import Slate
from recommendations.replica.follower import ReplicaNotReady
from recommendations.retrieval.filters import Filters
from recommendations.similar.also_liked import find_also_liked
from recommendations.similar.listings import SimilarityBasis, find_similar
from recommendations.slates.results import Page

SIMILAR_SHOWN = 10
ALSO_LIKED_SHOWN = 12
OTHERS_SHOWN = 12
STRIP_SHOWN = 8
BASES = {
    SimilarityBasis.BOTH: "Look and words",
    SimilarityBasis.PHOTO: "Look",
    SimilarityBasis.TEXT: "Words",
}


class OriginQuery(serializers.Serializer):
    """What led to the page: the slate and the place in it. `by`: how similar listings are compared."""

    slate = serializers.CharField(max_length=64, required=False, allow_blank=True)
    position = serializers.IntegerField(min_value=0, max_value=32_767, required=False)
    by = serializers.ChoiceField(choices=[basis.value for basis in BASES], default=SimilarityBasis.BOTH)


class ListingPage(ShopPage):
    """A listing that is or was for sale. A sold one says so and shows what is similar and still there."""

    keeps_pages = True

    def get(self, request, listing_id: str):
        query = OriginQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        listing = queries.page_of(request.caller, listing_id)
        actor, now = request.caller.actor, timezone.now()
        context = self._similar(listing, SimilarityBasis(query.validated_data["by"]), actor)
        if self.is_fragment:
            return self.show("parts/similar.html", context)
        card = Card(
            listing,
            now,
            slate_id=query.validated_data.get("slate"),
            position=query.validated_data.get("position"),
            is_favourite=bool(favourites_among(actor, [listing.pk])),
        )
        others = queries.others_of_seller(listing, OTHERS_SHOWN)
        context |= {
            "card": card,
            "is_own": request.caller.owns(listing),
            "also_liked": plain_cards((item.listing for item in _also_liked(listing).items), now=now),
            "others": plain_cards(others, now=now),
        }
        return self.show("listing.html", context)

    def _similar(self, listing: Listing, by: SimilarityBasis, actor: Actor | None) -> dict:
        page = _similar_to(listing, by, SIMILAR_SHOWN)
        now = timezone.now()
        if page.items and logs_slate(self.request):
            parameters = {"listing": listing.external_id, "by": by.value, "filters": Filters()}
            page = log_page(
                page, surface=Slate.Surface.SIMILAR, actor=actor, request_parameters=parameters, now=now
            )
        bases = [(basis.value, label, basis == by) for basis, label in BASES.items()]
        return {
            "listing": listing,
            "similar": cards_of(page, actor=actor, now=now, is_first=False),
            "is_waiting": "not_embedded_yet" in page.degraded,
            "bases": bases,
        }


class AlikeAction(ShopPage):
    """ "More like this": notes that the shopper chose the listing, and shows what is similar to it."""

    rate_limit = "events"

    def post(self, request, listing_id: str):
        form = EventForm(data=filled(request.data) | {"kind": Interaction.Kind.CLICK})
        form.is_valid(raise_exception=True)
        listing = queries.page_of(request.caller, listing_id)
        record_event(request, listing.external_id, **form.validated_data)
        page = _similar_to(listing, SimilarityBasis.BOTH, STRIP_SHOWN)
        cards = cards_of(page, actor=request.caller.actor, now=timezone.now(), is_first=False)
        reply = self.show("parts/alike.html", {"listing": listing, "cards": cards})
        reply["HX-Trigger"] = "feed-changed"
        return reply


def _similar_to(listing: Listing, by: SimilarityBasis, limit: int) -> Page:
    return _or_nothing(partial(find_similar, listing=listing, by=by, filters=Filters(), limit=limit))


def _also_liked(listing: Listing) -> Page:
    return _or_nothing(partial(find_also_liked, listing=listing, limit=ALSO_LIKED_SHOWN))


def _or_nothing(find: Callable[[], Page]) -> Page:
    """What is found; an empty page while the catalogue is not loaded, so that the rest can be read."""
    try:
        return find()
    except ReplicaNotReady:
        return Page([], degraded=["catalogue"])
