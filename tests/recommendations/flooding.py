"""Actors who make more events in a day than a person does."""

from datetime import datetime, timedelta

from django.utils import timezone

from listings.models import Actor, Listing
from recommendations.interactions.recording import Event, record

MAXIMUM = 20  # events in a day that quarantine nobody


def limit_events(settings, maximum: int = MAXIMUM) -> None:
    """Quarantine whoever makes more events in a day."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"quarantine_events_per_day": maximum})


def floods(actor: Actor, listing: Listing, times: int = MAXIMUM + 1, at: datetime | None = None) -> None:
    """Record so many views at one time, yesterday at noon unless it is given."""
    happened = at or timezone.now().replace(hour=12) - timedelta(days=1)
    prefix = f"{actor.pk}-{listing.pk}-{timezone.now()}"
    events = [Event(f"{prefix}-{n}", actor, listing.external_id, "view", happened) for n in range(times)]
    record(source="tests", events=events, now=timezone.now())
