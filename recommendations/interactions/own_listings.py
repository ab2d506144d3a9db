"""The listings that a person keeps as favourites, or viewed last, from events that were not taken back."""

from collections.abc import Iterable

from django.db.models import Max

from listings.models import Actor
from recommendations.core.identity import identities_of
from recommendations.interactions.retractions import not_retracted_of
from recommendations.models.events import Interaction

Kind = Interaction.Kind

VIEWS = (Kind.VIEW, Kind.CLICK)


def favourites_of(actor: Actor | None, *, limit: int) -> list[int]:
    """Keys of the actor's favourites, the last one first."""
    return _latest(actor, (Kind.FAVOURITE,), limit)


def viewed_by(actor: Actor | None, *, limit: int) -> list[int]:
    """Keys of the listings that the actor viewed, the last one first."""
    return _latest(actor, VIEWS, limit)


def favourites_among(actor: Actor | None, listing_ids: Iterable[int]) -> frozenset[int]:
    """Keys of those of these listings that are favourites of the actor."""
    if actor is None:
        return frozenset()
    own = not_retracted_of(identities_of(actor)).filter(kind=Kind.FAVOURITE, listing__in=list(listing_ids))
    return frozenset(own.values_list("listing_id", flat=True))


def _latest(actor: Actor | None, kinds: Iterable[str], limit: int) -> list[int]:
    if actor is None:
        return []
    own = not_retracted_of(identities_of(actor)).filter(kind__in=kinds).exclude(listing__seller=actor.pk)
    last = own.values("listing_id").annotate(last=Max("occurred_at")).order_by("-last")
    return list(last.values_list("listing_id", flat=True)[:limit])
