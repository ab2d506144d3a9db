"""The page of a listing: what happened with it, what it is like, and why somebody is shown it or not."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from listings.admin.base import may_change, moment
from listings.errors import DomainError
from listings.models import Actor, Listing
from recommendations.admin.copies import copies_of
from recommendations.admin.pages import charts
from recommendations.admin.pages.base import (
    VIEW_EVENTS,
    VIEW_SLATES,
    LinkedPagesMixin,
    link_to_page,
    links_of,
    note_access,
    page,
    require,
)
from recommendations.admin.pages.cards import Card, percentages
from recommendations.analysis.activity import events_by_day
from recommendations.core.identity import member_of
from recommendations.feed.verdict import Verdict, find_verdict
from recommendations.indexing import embedding_jobs, wakeup
from recommendations.indexing.embedding_state import embedding_state
from recommendations.models.slates import Slate
from recommendations.replica.follower import ReplicaNotReady
from recommendations.retrieval.filters import Filters
from recommendations.similar.listings import SimilarityBasis, find_similar
from recommendations.slates.outcomes import SLATES_READ, showings_of, shown_to

TITLES = {"story": "What happened", "change": "Edit"}  # of the pages
SIMILAR = 12


def show_story(request: HttpRequest, listing: Listing) -> HttpResponse:
    """Events, showings, similar listings, copies of photos, vectors, and the verdict for one actor."""
    require(request, VIEW_EVENTS, VIEW_SLATES)
    if request.method == "POST":
        return _embed_again(request, listing)
    similar, problem = _similar_to(listing)
    drawn = [charts.bars(days, title=kind.capitalize()) for kind, days in events_by_day(listing).items()]
    showings = charts.bars(showings_of(listing.pk), title="Showings")
    return page(
        request,
        "listing.html",
        listing.title,
        listing=listing,
        card=Card(listing),
        created=moment(listing.created_at),
        seller_url=link_to_page(listing.seller, "story"),
        state=embedding_state(listing),
        may_embed=may_change(request, Listing) and listing.status in Listing.ON_MARKET,
        charts=[each for each in (showings, *drawn) if each],
        slates_read=f"{SLATES_READ:,}",
        similar=similar,
        problem=problem,
        copies=copies_of(listing),
        links=links_of(listing, TITLES, "story"),
        **_verdict_of(request, listing),
    )


def _embed_again(request: HttpRequest, listing: Listing) -> HttpResponse:
    if may_change(request, Listing):
        embedding_jobs.request_anew([listing.pk])
        wakeup.notify()
        messages.success(request, "It is embedded again, within seconds where workers run.")
    return HttpResponseRedirect(request.get_full_path())


def _similar_to(listing: Listing) -> tuple[list[Card], str]:
    """Cards of similar listings, or none and the reason."""
    try:
        found = find_similar(listing=listing, by=SimilarityBasis.BOTH, filters=Filters(), limit=SIMILAR)
    except DomainError as error:
        return [], error.detail
    cards = [Card(item.listing, [f"Likeness {item.score:.2f}"]) for item in found.items]
    return cards, "" if cards else "Nothing is like it, or it has no vectors yet."


def _verdict_of(request: HttpRequest, listing: Listing) -> dict:
    """What the form asked for: whether one actor is shown the listing now, and when they were."""
    name = request.GET.get("actor", "").strip()
    if not name:
        return {}
    actor = Actor.objects.select_related("merged_into").filter(external_id=name).first()
    if actor is None:
        return {"asked": name, "verdict": Verdict(False, "There is no such actor.")}
    note_access(request, actor, "feed")
    member = member_of(actor)
    try:
        verdict = find_verdict(listing, member, now=timezone.now())
    except ReplicaNotReady as error:
        verdict = Verdict(False, error.detail)
    shown = shown_to(member, listing.pk)
    return {
        "asked": name,
        "asked_url": link_to_page(member, "story"),
        "verdict": verdict,
        "shares": percentages(verdict.shares),
        "shown": [(moment(at), link_to_page(Slate(pk=key), "look"), place) for key, at, place in shown],
    }


class ListingPagesMixin(LinkedPagesMixin):
    """Mixin of the admin of listings: a link to the page in the list and on the form."""

    pages = {"story": show_story}
    titles = TITLES
