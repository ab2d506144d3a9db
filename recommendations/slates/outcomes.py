"""What followed a slate: which of its places were served, and what the actor did with them."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from listings.models import Actor
from recommendations.core.identity import identities_of
from recommendations.models.events import Interaction
from recommendations.models.slates import Impression, Slate

SLATES_READ = 2000  # the newest slates in which showings of a listing are looked for


@dataclass
class Outcome:
    """served: how many places. events: what was done with which listing, by listing id, oldest first."""

    slate: Slate
    served_count: int = 0
    events: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def event_count(self) -> int:
        return sum(map(len, self.events.values()))


def outcomes_of(slates: Sequence[Slate]) -> list[Outcome]:
    """What followed each of these slates, in three queries or fewer."""
    found = {slate.pk: Outcome(slate) for slate in slates}
    for key, count in Impression.objects.filter(slate__in=found).values_list("slate_id", "count"):
        found[key].served_count += count
    named = {text: key for key in found for text in (key.hex, str(key))}
    listing_ids = {pk for slate in slates for pk in slate.listing_ids}
    # By listing, because events have no index by slate.
    events = Interaction.objects.filter(slate__in=named, listing__in=listing_ids).order_by(
        "occurred_at", "pk"
    )
    for slate, listing_id, kind in events.values_list("slate", "listing_id", "kind"):
        if slate is not None:
            found[named[slate]].events[listing_id].append(kind)
    return list(found.values())


def last_outcomes(actor: Actor, *, limit: int) -> list[Outcome]:
    """The last slates of a member and of the visitors merged into them, newest first."""
    slates = Slate.objects.filter(actor__in=identities_of(actor)).order_by("-created_at")
    return outcomes_of(list(slates.defer("features", "propensities")[:limit]))


_SHOWINGS = """
    SELECT (served_at AT TIME ZONE %(zone)s)::date AS day, count(*) FROM (
        SELECT id, array_position(listing_ids, %(listing)s) - 1 AS place FROM (
            SELECT id, listing_ids FROM recommendations_slate ORDER BY created_at DESC LIMIT %(slates)s
        ) newest
    ) slate
    JOIN recommendations_impression impression ON impression.slate_id = slate.id
    WHERE place >= impression."offset" AND place < impression."offset" + impression.count
    GROUP BY day ORDER BY day
"""


def showings_of(listing_id: int) -> list[tuple[date, int]]:
    """How often a listing was shown on each day, by the newest SLATES_READ slates of all surfaces."""
    with connection.cursor() as cursor:
        zone = timezone.get_current_timezone_name()
        cursor.execute(_SHOWINGS, {"listing": listing_id, "slates": SLATES_READ, "zone": zone})
        return list(cursor.fetchall())


_SHOWN_TO = """
    SELECT slate.id, slate.created_at, array_position(listing_ids, %(listing)s)
    FROM (
        SELECT id, created_at, listing_ids FROM recommendations_slate
        WHERE actor_id = ANY(%(actors)s) ORDER BY created_at DESC LIMIT %(slates)s
    ) slate
    JOIN recommendations_impression impression ON impression.slate_id = slate.id
    WHERE array_position(listing_ids, %(listing)s) - 1 >= impression."offset"
      AND array_position(listing_ids, %(listing)s) - 1 < impression."offset" + impression.count
    ORDER BY slate.created_at DESC
"""


def shown_to(actor: Actor, listing_id: int) -> list[tuple[uuid.UUID, datetime, int]]:
    """The slates in which this actor was shown a listing: id, time and place from 1, newest first."""
    parameters: dict[str, Any] = {
        "listing": listing_id,
        "actors": identities_of(actor),
        "slates": SLATES_READ,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SHOWN_TO, parameters)
        return list(cursor.fetchall())
