"""The feed as a page, why a listing is in it, and what a shopper does with a card."""

import uuid

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import NotFound

from listings import queries
from listings.callers import CallerRequest
from marketplace.storefront import demo_shoppers
from marketplace.storefront.cards import Card, cards_of, favourite_cards, plain_cards
from marketplace.storefront.pages import ShopPage, filled
from marketplace.storefront.wording import SOURCE_SENTENCES, Bar
from recommendations.api.serializers import FeedQuery
from recommendations.api.tracking import logs_impressions, logs_slate
from recommendations.core.acting_for import resolve_actor
from recommendations.feed.explanation import explain_place
from recommendations.feed.pipeline import build_feed, next_page
from recommendations.interactions.own_listings import favourites_of, viewed_by
from recommendations.interactions.recording import Event, record
from recommendations.models.events import Interaction

VIEWED_SHOWN = 12
FAVOURITES_SHOWN = 100
LEAST_SHARE = 0.01  # of a source; a smaller one would be a bar of 0 %


class HomePage(ShopPage):
    """The personalised feed. Whoever is unknown gets what is trending and new."""

    keeps_pages = True

    def get(self, request):
        query = FeedQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        now, cursor = timezone.now(), query.validated_data.get("cursor")
        actor = resolve_actor(request.caller, None, data_kind="feed")
        options = {"actor": actor, "limit": query.validated_data["limit"], "now": now}
        if cursor:
            page = next_page(cursor=cursor, is_kept=logs_impressions(request), **options)
        else:
            page = build_feed(filters=query.filters, is_kept=logs_slate(request), **options)
        context = {
            "page": page,
            "cards": cards_of(page, actor=actor, now=now, is_first=not cursor),
            "is_later_page": bool(cursor),
        }
        if self.is_fragment:
            return self.show("parts/feed.html", context)
        viewed = queries.public_in_order(viewed_by(actor, limit=VIEWED_SHOWN))
        return self.show("home.html", context | {"viewed": plain_cards(viewed, now=now)})

    def dispatch(self, request, *arguments, **options):
        """Where the shop is turned off, the address leads to the page of the API."""
        if not settings.ENVIRONMENT.storefront and request.method in ("GET", "HEAD"):
            return redirect("docs")
        return super().dispatch(request, *arguments, **options)


class WhyPage(ShopPage):
    """Why a listing is in a feed: its reason, the evidence, and the part of each source."""

    def get(self, request, slate_id: str, listing_id: str):
        explanation = explain_place(slate_id=slate_id, listing_id=listing_id, actor=request.caller.actor)
        now = timezone.now()
        context = {
            "card": Card(explanation.listing, now),
            "reason": explanation.reason,
            "evidence": plain_cards(explanation.evidence, now=now),
            "bars": [
                Bar(SOURCE_SENTENCES[name], share)
                for name, share in explanation.shares
                if share >= LEAST_SHARE
            ],
        }
        return self.show("parts/why.html" if self.is_fragment else "why.html", context)


class FavouritesPage(ShopPage):
    """What the shopper keeps, the last one first; sold ones say so."""

    def get(self, request):
        actor, now = request.caller.actor, timezone.now()
        kept = queries.public_in_order(favourites_of(actor, limit=FAVOURITES_SHOWN))
        return self.show("favourites.html", {"cards": favourite_cards(kept, actor=actor, now=now)})


class EventForm(serializers.Serializer):
    """What a button of a card sends."""

    kind = serializers.ChoiceField(choices=Interaction.Kind.choices)
    slate = serializers.CharField(max_length=64, required=False, allow_blank=True)
    position = serializers.IntegerField(min_value=0, max_value=32_767, required=False, allow_null=True)


class EventAction(ShopPage):
    """Records one event of the shopper with a listing. The reply is what the button has become."""

    rate_limit = "events"

    # What each kind of event leaves in the place of its button; others leave nothing.
    PARTS = {
        Interaction.Kind.FAVOURITE: "parts/heart.html",
        Interaction.Kind.UNFAVOURITE: "parts/heart.html",
        Interaction.Kind.HIDE: "parts/hidden.html",
        Interaction.Kind.UNHIDE: "parts/card.html",
        Interaction.Kind.MESSAGE: "parts/messaged.html",
        Interaction.Kind.PURCHASE: "parts/bought.html",
    }

    def post(self, request, listing_id: str):
        form = EventForm(data=filled(request.data))
        form.is_valid(raise_exception=True)
        sent = form.validated_data
        listing = queries.page_of(request.caller, listing_id)
        record_event(request, listing.external_id, **sent)
        kind = sent["kind"]
        if not self.is_fragment:
            return self.back(f"/listing/{listing_id}/")
        if kind not in self.PARTS:
            return HttpResponse(status=204)
        card = Card(
            listing,
            timezone.now(),
            slate_id=sent.get("slate"),
            position=sent.get("position"),
            is_favourite=kind == Interaction.Kind.FAVOURITE,
        )
        reply = self.show(self.PARTS[kind], {"card": card})
        if kind != Interaction.Kind.UNHIDE:
            reply["HX-Trigger"] = "feed-changed"
        return reply


def record_event(
    request: CallerRequest,
    listing_id: str,
    *,
    kind: str,
    slate: str | None = None,
    position: int | None = None,
) -> None:
    """Record what this shopper has just done. Raises Forbidden for a service."""
    caller = request.caller
    event = Event(
        event_id=f"shop-{uuid.uuid4().hex}",
        actor=caller.require_actor(),
        listing=listing_id,
        kind=kind,
        slate=slate or None,
        position=position,
        is_doubtful=listing_id in caller.doubted_listings,
    )
    record(source=caller.source, events=[event], now=timezone.now())


class ShoppersPage(ShopPage):
    """The simulated shoppers of the demo, and whom to be from now on."""

    def initial(self, request, *arguments, **options):
        super().initial(request, *arguments, **options)
        if not settings.ENVIRONMENT.demo_shoppers:
            raise NotFound("There are no simulated shoppers here.")

    def get(self, request):
        now = timezone.now()
        shoppers = [
            {"who": shopper, "liked": plain_cards(shopper.liked, now=now)}
            for shopper in demo_shoppers.read_shoppers()
        ]
        return self.show("shoppers.html", {"shoppers": shoppers})

    def post(self, request):
        reply = redirect("/")
        shopper = demo_shoppers.find(str(request.data.get("shopper", "")))
        if shopper is not None:
            demo_shoppers.remember(request._request, reply, shopper)
        else:
            reply.delete_cookie(demo_shoppers.COOKIE)
        return reply
