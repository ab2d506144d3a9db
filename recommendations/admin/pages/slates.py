"""A slate as a page: its photos in order, with reasons, what chance did, and what was clicked."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from listings.admin.base import moment
from recommendations.admin.pages.base import VIEW_SLATES, PagesMixin, link_to_page, note_access, page, require
from recommendations.admin.pages.cards import Card
from recommendations.models.slates import Slate
from recommendations.slates.audit import AuditedPlace, audit_slate
from recommendations.slates.outcomes import Outcome, outcomes_of
from recommendations.slates.results import SENTENCES, ReasonCode

PLACES = 100  # shown at most


def show_slate(request: HttpRequest, slate: Slate) -> HttpResponse:
    """The order as it was stored, and what followed."""
    require(request, VIEW_SLATES)
    if slate.actor is not None:
        note_access(request, slate.actor, "slates")
    audit = audit_slate(slate.pk.hex)
    (outcome,) = outcomes_of([slate])
    served = {place for offset, count, _ in audit.pages for place in range(offset + 1, offset + count + 1)}
    shown = [place for place in audit.places if place.listing is not None][:PLACES]
    return page(
        request,
        "slate.html",
        f"{slate.surface.capitalize()} of {slate.actor or 'somebody unknown'}",
        slate=slate,
        at=moment(slate.created_at),
        actor_url=link_to_page(slate.actor, "story") if slate.actor else "",
        cards=[_card_of(place, outcome, place.number in served) for place in shown],
        served=f"{len(served):,} of {len(audit.places):,}",
        event_count=f"{outcome.event_count:,}",
        gone=audit.gone,
        versions=slate.versions,
        links=[
            ("Order and outcome", link_to_page(slate, "look"), True),
            ("Details", link_to_page(slate, "change"), False),
        ],
    )


def _card_of(place: AuditedPlace, outcome: Outcome, is_served: bool) -> Card:
    assert place.listing is not None  # deleted ones are left out
    notes = [_sentence(place.reason)]
    is_by_chance = place.propensity is not None and place.propensity < 1
    if is_by_chance:
        notes.append(f"By chance, with probability {place.propensity:.0%}")
    kinds = outcome.events.get(place.listing_id, [])
    notes.append(", ".join(kinds) if kinds else ("seen, nothing followed" if is_served else "not served"))
    return Card(place.listing, notes, is_by_chance, f"{place.number}")


def _sentence(code: str | None) -> str:
    return SENTENCES[ReasonCode(code)] if code in SENTENCES else code or "No reason was stored"


class SlatePagesMixin(PagesMixin):
    """Mixin of the admin of slates: a link to the page in the list."""

    pages = {"look": show_slate}

    def get_list_display(self, request):
        return (*super().get_list_display(request), "look")

    @admin.display(description="")
    def look(self, slate: Slate) -> str:
        return format_html('<a href="{}">Order and outcome</a>', link_to_page(slate, "look"))
