"""Search by words, a photo, or both. The address holds everything but the photo."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.utils import timezone

from listings.models import Category, Listing
from listings.photos.uploads import read_photo_of
from marketplace.storefront.cards import cards_of, price_text
from marketplace.storefront.pages import ShopPage, filled
from recommendations.api.search_serializers import Search, SearchUpload
from recommendations.api.slate_logging import log_page
from recommendations.api.tracking import logs_slate
from recommendations.core.acting_for import resolve_actor
from recommendations.models.slates import Slate
from recommendations.search.pipeline import EmptyQuery, SearchPage, search

SHOWN_FOR_PHOTO = 40


class SearchResultsPage(ShopPage):
    """Listings found by words and filters; a photo comes by POST."""

    keeps_pages = True
    rate_limit = "photo search"

    def get(self, request):
        sent = filled(request.query_params)
        query = Search(data=sent)
        if not query.is_valid():
            return self._show({"sent": sent, "errors": query.errors}, 400)
        return self._answer(query, sent)

    def post(self, request):
        sent = filled(request.data)
        sent.pop("csrfmiddlewaretoken", None)
        query = SearchUpload(data=sent)
        if not query.is_valid():
            return self._show({"sent": sent, "errors": query.errors}, 400)
        upload = query.validated_data.get("photo")
        sent.pop("photo", None)
        return self._answer(query, sent, read_photo_of(request, upload) if upload else None)

    def _answer(self, query: Search, sent: dict[str, Any], photo: bytes | None = None) -> HttpResponse:
        now = timezone.now()
        actor = resolve_actor(self.request.caller, None, data_kind="search")
        asked = query.asked if photo is None else query.asked | {"limit": SHOWN_FOR_PHOTO}
        try:
            page: SearchPage = search(photo=photo, actor=actor, now=now, **asked)
        except EmptyQuery:
            return self._show({"sent": sent})
        if logs_slate(self.request):
            parameters = {**asked, "photo": photo is not None}
            page = log_page(
                page, surface=Slate.Surface.SEARCH, actor=actor, request_parameters=parameters, now=now
            )
        found = {"sent": sent, "page": page, "cards": cards_of(page, actor=actor, now=now)}
        # No address holds the photo, so none leads on from it.
        return self._show(found | ({"has_photo": True} if photo else _ways_on(page, sent)))

    def _show(self, context: dict[str, Any], status: int = 200) -> HttpResponse:
        context |= {
            "words_sent": context["sent"].get("q", ""),
            "conditions": [pair for pair in Listing.Condition.choices if pair[0] != "unknown"],
        }
        template = "parts/found.html" if self.is_fragment and "cards" in context else "search.html"
        return self.show(template, context, status)


def _ways_on(page: SearchPage, sent: dict[str, Any]) -> dict[str, Any]:
    """Addresses of searches beside this one: the next page, without a filter, within a category."""
    return {
        "chips": _chips(page, sent),
        "facets": _facets(page, sent),
        "ways_out": _ways_out(page, sent),
        "unmended_address": _address(sent, mend="false") if page.mended else "",
        "next_address": _address(sent, offset=page.next_offset) if page.next_offset else "",
    }


def _address(sent: dict[str, Any], **changes: Any) -> str:
    """The address of this search with some parameters changed; None removes one."""
    merged = {**sent, **changes}
    return "?" + urlencode({name: value for name, value in merged.items() if value is not None})


def _facets(page: SearchPage, sent: dict[str, Any]) -> list[dict[str, Any]]:
    """The root categories with their counts and addresses, the chosen one marked."""
    chosen = str(sent.get("category", "")).partition(Category.SEPARATOR)[0]
    return [
        {
            "name": name,
            "count": count,
            "is_chosen": name == chosen,
            "address": _address(sent, category=None if name == chosen else name, offset=None),
        }
        for name, count in page.facets.items()
    ]


def _chips(page: SearchPage, sent: dict[str, Any]) -> list[dict[str, str]]:
    """What narrows the search down, each with the address without it."""
    chips = [
        {"label": part.text, "address": _address(sent, q=part.without or None)} for part in page.understood
    ]
    labels: dict[str, Callable[[str], str]] = {
        "category": str,
        "min_price": lambda price: f"from {price_text(Decimal(price))}",
        "max_price": lambda price: f"up to {price_text(Decimal(price))}",
        "condition": lambda condition: Listing.Condition(condition).label,
    }
    chips += [
        {"label": label(sent[name]), "address": _address(sent, **{name: None})}
        for name, label in labels.items()
        if name in sent
    ]
    return chips


def _ways_out(page: SearchPage, sent: dict[str, Any]) -> list[dict[str, Any]]:
    """For an empty result: the searches without a part that do find something, with their counts."""
    if page.hint is None:
        return []
    words, parts = str(sent.get("q", "")), [part.text for part in page.understood]

    def words_without(dropped: str) -> str | None:
        return _without(words, [part for part in parts if part in dropped] or [dropped])

    return [
        {"label": way.text, "count": way.count, "address": _address(sent, q=words_without(way.text))}
        for way in page.hint.without
    ]


def _without(words: str, parts: list[str]) -> str | None:
    for part in parts:
        words = words.replace(part, " ", 1)
    return " ".join(words.split()) or None
