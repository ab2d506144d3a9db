"""Selling: advice while the listing is written, publishing it, and where it stands afterwards."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from rest_framework.exceptions import ErrorDetail, ValidationError

from listings import photo_services, queries, services
from listings.api.serializers import NewListing
from listings.api.views import received_photo
from listings.callers import Caller
from listings.categories import tree
from listings.errors import Forbidden, Invalid, Unavailable
from listings.models import Category, Listing
from listings.photos import processing
from marketplace.storefront.cards import cards_of, plain_cards, price_text
from marketplace.storefront.pages import ShopPage
from marketplace.storefront.wording import Bar
from marketplace.web.rate_limits import buckets_of, count_against
from recommendations.api.search_serializers import ClassifyWords
from recommendations.encoders.categories import suggest_categories
from recommendations.search.comparable import find_price_range
from recommendations.similar.photos import listings_showing
from recommendations.similar.standing import find_standing
from recommendations.slates.results import Page

FIELDS = ("title", "description", "price", "condition", "category", "place")
COPIES_SHOWN = 6
COMPARABLE_SHOWN = 8
AROUND_SHOWN = 8


class SellPage(ShopPage):
    """The form for a new listing, and its publication with photos."""

    rate_limit = "listing writes"

    def get(self, request):
        return self._form({})

    def post(self, request):
        sent = {name: request.data[name] for name in FIELDS if request.data.get(name)}
        if "catalogue" not in request.caller.scopes:
            raise Forbidden("Log in to sell something.")
        form = NewListing(data=sent)
        if not form.is_valid():
            return self._form(sent, form.errors)
        try:
            photos = self._received_photos()
            listing = _publish(request.caller, dict(form.validated_data), photos)
        except (Invalid, ValidationError) as error:
            return self._form(sent, {getattr(error, "field", "") or "photo": [_detail(error)]})
        return redirect(reverse("shop-listing", args=[listing.external_id]))

    def _received_photos(self) -> list[processing.ReceivedPhoto]:
        """The verified photos. Raises BadPhoto, and RateLimitExceeded: each counts as an upload."""
        uploads = self.request.FILES.getlist("photos")[: photo_services.MAXIMUM_PHOTOS]
        count_against("upload", buckets_of(self.request.caller, self.request), cost=len(uploads))
        return [received_photo(self.request, upload) for upload in uploads]

    def _form(self, sent: dict[str, Any], errors: dict[str, Any] | None = None) -> HttpResponse:
        context = {
            "sent": sent,
            "errors": errors or {},
            "may_sell": "catalogue" in self.request.caller.scopes,
            "categories": Category.objects.order_by("path").values_list("path", flat=True),
            "conditions": Listing.Condition.choices,
            "most_photos": photo_services.MAXIMUM_PHOTOS,
        }
        return self.show("sell.html", context, 400 if errors else 200)


class SellAdvice(ShopPage):
    """What is known of a listing that is being written: its category, what others ask, and its copies."""

    rate_limit = "photo search"

    def post(self, request):
        words = ClassifyWords(data={name: request.data.get(name, "") for name in ("title", "description")})
        words.is_valid(raise_exception=True)
        upload = next(iter(request.FILES.getlist("photos")), None)
        received = received_photo(request, upload) if upload else None
        photo = received.sizes[processing.Size.MEDIUM] if received else None
        now = timezone.now()
        prices = find_price_range(words=words.text, photo=photo, now=now)
        copies = listings_showing(received.perceptual_hash, limit=COPIES_SHOWN) if received else []
        context = {
            "suggestions": _suggestions(words.text, photo),
            "prices": prices,
            "low": price_text(prices.low) if prices else "",
            "high": price_text(prices.high) if prices else "",
            "median": price_text(prices.median) if prices else "",
            "comparable": plain_cards(prices.listings[:COMPARABLE_SHOWN], now=now) if prices else [],
            "copies": plain_cards(copies, now=now),
        }
        return self.show("parts/advice.html", context)


class StandingPart(ShopPage):
    """Where a new listing stands among similar ones, as soon as its photos were looked at."""

    def get(self, request, listing_id: str):
        listing, now = queries.page_of(request.caller, listing_id), timezone.now()
        standing = find_standing(listing)
        cards = cards_of(Page(standing.around[:AROUND_SHOWN]), actor=None, now=now) if standing else []
        return self.show("parts/standing.html", {"listing": listing, "standing": standing, "cards": cards})


def _publish(caller: Caller, content: dict[str, Any], photos: list[processing.ReceivedPhoto]) -> Listing:
    """Publish it with its photos in one step for shoppers: it is a draft until all of them are stored."""
    content["category"] = tree.find_category(content["category"])
    draft = content | {"status": Listing.Status.DRAFT}
    listing = services.create_listing(seller=caller.require_actor(), now=timezone.now(), **draft)
    for received in photos:
        photo_services.add_photo(listing=listing, received=received, by=caller.writer)
    return services.publish(listing=listing, by=caller.writer)


def _suggestions(words: str, photo: bytes | None) -> list[Bar]:
    """Category paths with their probability; none while no classifier is there."""
    if not words.strip() and photo is None:
        return []
    try:
        leaves = suggest_categories(words=words, photo=photo).leaves
    except Unavailable:
        return []
    return [Bar(leaf.path, leaf.probability) for leaf in leaves]


def _detail(error: Invalid | ValidationError) -> str | ErrorDetail:
    return error.detail if isinstance(error, Invalid) else str(error)
