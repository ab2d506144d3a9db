"""Events in: append-only, each counted once, with a result for each row."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import connection, transaction

from listings.models import Actor, Listing
from recommendations.models import Interaction

MAXIMUM_BATCH = 500
NO_SUCH_LISTING = "There is no such listing."


@dataclass(frozen=True)
class Event:
    """What somebody says happened. `occurred_at` None: just now."""

    event_id: str
    actor: Actor
    listing: str  # external id
    kind: str
    occurred_at: datetime | None = None
    slate: str | None = None
    position: int | None = None


class Outcome(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"


@dataclass(frozen=True)
class EventResult:
    event_id: str
    outcome: Outcome
    reason: str = ""


def record(*, source: str, events: list[Event], now: datetime) -> list[EventResult]:
    """Append the events that are new, in one transaction.

    The same (source, event_id) again is a duplicate; with another body it is a conflict, and what is
    stored stays. Naive times are refused, future ones are set to now. A listing that does not exist
    rejects its row only. A purchase is a statement, not a sale: no status changes here.
    """
    listing_ids = known_listings({event.listing for event in events})
    with transaction.atomic():
        good = [event for event in events if event.listing in listing_ids and _has_zone(event)]
        inserted = _insert(source, _firsts(good), listing_ids, now)
        stored = _stored(source, good)
    return [_result(event, listing_ids, inserted, stored) for event in events]


def _result(
    event: Event, listing_ids: dict[str, int], inserted: set[str], stored: dict[str, Interaction]
) -> EventResult:
    """Judge one event. The first of its id uses up the insertion; what follows is a repeat."""
    if event.listing not in listing_ids:
        return EventResult(event.event_id, Outcome.REJECTED, NO_SUCH_LISTING)
    if not _has_zone(event):
        return EventResult(event.event_id, Outcome.REJECTED, "occurred_at needs a time zone.")
    if not _same(event, stored[event.event_id], listing_ids):
        reason = "This event_id was sent before with another body."
        return EventResult(event.event_id, Outcome.CONFLICT, reason)
    if event.event_id in inserted:
        inserted.remove(event.event_id)
        return EventResult(event.event_id, Outcome.ACCEPTED)
    return EventResult(event.event_id, Outcome.DUPLICATE)


def _firsts(events: list[Event]) -> list[Event]:
    """The first event of each id in this batch; the others are judged against it."""
    return list({event.event_id: event for event in reversed(events)}.values())[::-1]


def _has_zone(event: Event) -> bool:
    return event.occurred_at is None or event.occurred_at.tzinfo is not None


# RETURNING names the rows that were really inserted; bulk_create with ignored conflicts would not.
_INSERT = """
    INSERT INTO recommendations_interaction
        (source, event_id, actor_id, listing_id, kind, slate, position, occurred_at, received_at)
    SELECT * FROM unnest(
        %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::smallint[],
        %s::timestamptz[], %s::timestamptz[])
    ON CONFLICT (source, event_id) DO NOTHING
    RETURNING event_id
"""


def _insert(source: str, events: list[Event], listing_ids: dict[str, int], now: datetime) -> set[str]:
    """Insert those that are not there yet; their event ids. Sorted, so that two batches cannot deadlock."""
    rows = [
        (
            *(source, event.event_id, event.actor.pk, listing_ids[event.listing], event.kind),
            *(event.slate, event.position, min(event.occurred_at or now, now), now),
        )
        for event in sorted(events, key=lambda event: event.event_id)
    ]
    if not rows:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [list(column) for column in zip(*rows, strict=True)])
        return {event_id for (event_id,) in cursor.fetchall()}


def _stored(source: str, events: list[Event]) -> dict[str, Interaction]:
    rows = Interaction.objects.filter(source=source, event_id__in=[event.event_id for event in events])
    return {row.event_id: row for row in rows}


def _same(event: Event, row: Interaction, listing_ids: dict[str, int]) -> bool:
    said = (event.actor.pk, listing_ids[event.listing], event.kind, event.slate, event.position)
    if said != (row.actor_id, row.listing_id, row.kind, row.slate, row.position):
        return False
    return event.occurred_at is None or min(event.occurred_at, row.received_at) == row.occurred_at


def known_listings(external_ids: set[str]) -> dict[str, int]:
    """External id -> primary key of those that exist."""
    return dict(Listing.objects.filter(external_id__in=external_ids).values_list("external_id", "pk"))
