"""What happened with one listing, by day."""

from collections import defaultdict
from datetime import date

from django.db.models import Count
from django.db.models.functions import TruncDate

from listings.models import Listing
from recommendations.models.events import Interaction


def events_by_day(listing: Listing) -> dict[str, list[tuple[date, int]]]:
    """For each kind of event that there was: the days on which it happened and how often, oldest first."""
    days = Interaction.objects.filter(listing=listing).annotate(day=TruncDate("occurred_at"))
    found: dict[str, list[tuple[date, int]]] = defaultdict(list)
    for kind, day, count in days.values_list("kind", "day").annotate(Count("pk")).order_by("kind", "day"):
        found[kind].append((day, count))
    return dict(found)
