"""Pages of an actor: what they did and are taken to like, and the feed that they would get now."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from listings.admin.base import moment
from listings.models import Actor
from listings.queries import public_in_order
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
from recommendations.core.identity import member_of
from recommendations.feed.preview import Preview, PreviewedPlace, preview_feed
from recommendations.interactions.retractions import unwanted_by
from recommendations.replica import follower
from recommendations.replica.follower import ReplicaNotReady
from recommendations.slates.outcomes import last_outcomes
from recommendations.taste.description import Taste, describe
from recommendations.taste.profile import read_profile
from recommendations.taste.timeline import read_timeline

TITLES = {"story": "Events and taste", "feed": "Feed now", "change": "Edit"}  # of the pages
EVENTS, SLATES, HIDDEN, PLACES = 60, 12, 12, 40  # shown on a page


def show_story(request: HttpRequest, actor: Actor) -> HttpResponse:
    """What the actor did, what the system takes them to like, and the slates they got."""
    require(request, VIEW_EVENTS)
    note_access(request, actor, "events")
    member = member_of(actor)
    taste = _taste_of(member)
    return page(
        request,
        "actor.html",
        f"Actor {member}",
        actor=member,
        taste=taste,
        categories=percentages(taste.categories, most=len(taste.categories)) if taste else [],
        interests=[Card(each.listing, [f"Strength {each.weight:.2f}"]) for each in taste.interests]
        if taste
        else [],
        events=[
            (event, Card(event.interaction.listing), moment(event.interaction.occurred_at))
            for event in read_timeline(member, limit=EVENTS)
        ],
        hidden=[Card(each) for each in public_in_order(sorted(unwanted_by(member), reverse=True)[:HIDDEN])],
        slates=_slates_of(request, member),
        links=links_of(member, TITLES, "story"),
    )


def show_feed(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The feed that the actor would get now. Nothing is stored, and no showing is counted."""
    require(request, VIEW_EVENTS)
    note_access(request, actor, "feed")
    member = member_of(actor)
    preview: Preview | None = None
    try:
        preview = preview_feed(member, limit=PLACES, now=timezone.now())
    except ReplicaNotReady as error:
        problem = error.detail
    else:
        problem = ""
    return page(
        request,
        "feed.html",
        f"Feed of {member} now",
        actor=member,
        preview=preview,
        problem=problem,
        counts=_counts_of(preview) if preview else {},
        cards=[_card_of(place) for place in preview.places] if preview else [],
        left_out=[(each, [Card(sample) for sample in each.sample]) for each in preview.left_out]
        if preview
        else [],
        links=links_of(member, TITLES, "feed"),
    )


def _counts_of(preview: Preview) -> dict[str, str]:
    counts = {
        "live": preview.live_count,
        "allowed": preview.allowed_count,
        "candidates": preview.candidate_count,
        "order": preview.order_length,
    }
    return {name: f"{count:,}" for name, count in counts.items()}


def _taste_of(actor: Actor) -> Taste | None:
    """None while this process has no snapshot of the catalogue."""
    try:
        snapshot = follower.snapshot()
    except ReplicaNotReady:
        return None
    return describe(read_profile(actor, snapshot, now=timezone.now()))


def _slates_of(request: HttpRequest, actor: Actor) -> list[tuple]:
    if not request.user.has_perm(VIEW_SLATES):
        return []
    outcomes = last_outcomes(actor, limit=SLATES)
    return [(each, moment(each.slate.created_at), link_to_page(each.slate, "look")) for each in outcomes]


def _card_of(place: PreviewedPlace) -> Card:
    notes = [place.reason.sentence if place.reason else "No reason is known"]
    adjusted = f", of which boosts and dislikes {place.adjusted:+.2f}" if abs(place.adjusted) >= 0.005 else ""
    notes.append(f"Score {place.score:.2f}{adjusted}")
    if place.is_by_chance:
        notes.append(f"By chance, with probability {place.propensity:.0%}")
    return Card(place.listing, notes, place.is_by_chance, f"{place.number}", percentages(place.shares))


class ActorPagesMixin(LinkedPagesMixin):
    """Mixin of the admin of actors: a link to their pages in the list and on the form."""

    pages = {"story": show_story, "feed": show_feed}
    titles = TITLES
