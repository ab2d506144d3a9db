"""What an actor did, newest first, and whether it still counts."""

from dataclasses import dataclass

from listings.models import Actor
from recommendations.core.identity import identities_of
from recommendations.interactions.retractions import RETRACTS, not_retracted_of
from recommendations.models.events import Interaction


@dataclass(frozen=True)
class TimelineEvent:
    """One event. counts: it was not taken back, and is no retraction itself."""

    interaction: Interaction
    counts: bool


def read_timeline(actor: Actor, *, limit: int) -> list[TimelineEvent]:
    """The last events of a member and of the visitors merged into them, with listings and photos."""
    selves = identities_of(actor)
    last = Interaction.objects.filter(actor__in=selves).order_by("-occurred_at", "-pk")
    events = list(last.select_related("listing__category").prefetch_related("listing__photos")[:limit])
    standing = not_retracted_of(selves).filter(pk__in=[event.pk for event in events])
    valid = set(standing.values_list("pk", flat=True))
    return [TimelineEvent(event, event.pk in valid and event.kind not in RETRACTS) for event in events]
