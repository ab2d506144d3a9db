"""Recording of events: append-only, each counted once, with a result for every event sent."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from django.db import connection, transaction

from listings.models import Actor, Listing
from recommendations.interactions import attribution, parking
from recommendations.models.events import Interaction, ParkedInteraction

MAXIMUM_BATCH = 500


@dataclass(frozen=True)
class Event:
    """An event as it was sent. `occurred_at` None: just now."""

    event_id: str
    actor: Actor
    listing: str  # external id
    kind: str
    occurred_at: datetime | None = None
    slate: str | None = None
    position: int | None = None
    is_doubtful: bool = False  # stored as an event that weighs near nothing


class RecordOutcome(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    PARKED = "parked"
    REJECTED = "rejected"


@dataclass(frozen=True)
class EventResult:
    event_id: str
    outcome: RecordOutcome
    reason: str = ""
    notes: tuple[str, ...] = ()  # what was taken otherwise than it was sent


class ListingPublishedMeanwhile(Exception):
    """A listing was published while its events were about to be parked. Record the events again."""


class _Stored(NamedTuple):
    """The stored columns of an event, parked or not."""

    actor_id: int
    listing: str
    kind: str
    slate: str | None
    position: int | None
    occurred_at: datetime
    received_at: datetime


def record(*, source: str, events: list[Event], now: datetime) -> list[EventResult]:
    """Append the new events in one transaction. Returns a result for each event, in the order given.

    The same (source, event_id) again is a duplicate. With another body it is a conflict, and the stored
    event stays. Naive times are rejected, future times are set to now. An event of an unknown listing is
    parked until the listing is published, up to parking.MOST_PARKED events of a source. A purchase event does
    not change the listing's status.
    """
    return record_by_source({source: events}, now=now)[source]


def record_by_source(
    by_source: dict[str, list[Event]], *, now: datetime, are_claims_judged: bool = True
) -> dict[str, list[EventResult]]:
    """`record` for several sources in one transaction.

    are_claims_judged: whether the slates that events name are looked up (see attribution.py). False where the
    slates may be those of another database.
    """
    while True:
        try:
            with transaction.atomic():
                return _record_each(by_source, now, are_claims_judged)
        except ListingPublishedMeanwhile:
            continue


def _record_each(
    by_source: dict[str, list[Event]], now: datetime, are_claims_judged: bool
) -> dict[str, list[EventResult]]:
    """Parks last (see parking.py). Takes sources in order, so that two transactions cannot deadlock."""
    listing_ids = known_listings({event.listing for events in by_source.values() for event in events})
    batches = [_Batch(source, events, now, are_claims_judged) for source, events in sorted(by_source.items())]
    for batch in batches:
        batch.insert(listing_ids)
    waiting = {event.listing for batch in batches for event in batch.unknown(listing_ids)}
    if waiting:
        parking.block_publications()
        if known_listings(waiting):
            raise ListingPublishedMeanwhile
    for batch in batches:
        batch.park(listing_ids)
    return {batch.source: batch.results() for batch in batches}


class _Batch:
    """The events of one source that are being recorded."""

    def __init__(self, source: str, events: list[Event], now: datetime, are_claims_judged: bool):
        self.source, self.events, self.now = source, events, now
        self.judged = {"judged": are_claims_judged} | attribution.claim_parameters(now)
        self.event_ids = [event.event_id for event in events]
        slates = {event.slate for event in events if event.slate}
        self.known_slates = attribution.known_slates(slates) if are_claims_judged else None
        self.stored = self._stored(ParkedInteraction, "listing_external_id")
        self.new: dict[str, RecordOutcome] = {}  # of the first event of an id, until `_result` takes it

    def insert(self, listing_ids: dict[str, int]) -> None:
        """Append the events of known listings that are neither stored nor parked."""
        fresh = [event for event in self._firsts() if event.listing in listing_ids]
        rows = [self._row(event, listing_ids[event.listing]) for event in fresh]
        self.new |= dict.fromkeys(_insert(_INTO_INTERACTIONS, rows, **self.judged), RecordOutcome.ACCEPTED)
        self._mark_doubtful([event.event_id for event in fresh if event.is_doubtful])
        self.stored |= self._stored(Interaction, "listing__external_id")

    def _mark_doubtful(self, event_ids: list[str]) -> None:
        """Mark those among these events that were inserted just now."""
        if inserted := [event_id for event_id in event_ids if event_id in self.new]:
            Interaction.objects.filter(source=self.source, event_id__in=inserted).update(is_doubtful=True)

    def unknown(self, listing_ids: dict[str, int]) -> list[Event]:
        """The events to park, in the order sent."""
        return [event for event in self._firsts() if event.listing not in listing_ids]

    def park(self, listing_ids: dict[str, int]) -> None:
        """Park as many events as there is room for."""
        if not (fresh := self.unknown(listing_ids)):
            return
        rows = [self._row(event, event.listing) for event in fresh[: parking.room(self.source)]]
        self.new |= dict.fromkeys(_insert(_INTO_PARKED, rows), RecordOutcome.PARKED)
        self.stored |= self._stored(ParkedInteraction, "listing_external_id")

    def results(self) -> list[EventResult]:
        return [self._result(event) for event in self.events]

    def _result(self, event: Event) -> EventResult:
        """The result of one event. The first new event of an id is accepted; the others are duplicates."""
        if not _has_zone(event):
            return EventResult(event.event_id, RecordOutcome.REJECTED, "occurred_at needs a time zone.")
        if event.event_id not in self.stored:
            reason = f"There is no such listing, and {parking.MOST_PARKED} events wait for theirs already."
            return EventResult(event.event_id, RecordOutcome.REJECTED, reason)
        if not _is_same(event, self.stored[event.event_id]):
            reason = "This event_id was sent before with another body."
            return EventResult(event.event_id, RecordOutcome.CONFLICT, reason)
        outcome = self.new.pop(event.event_id, RecordOutcome.DUPLICATE)
        return EventResult(event.event_id, outcome, notes=self._notes(event))

    def _notes(self, event: Event) -> tuple[str, ...]:
        is_ahead = event.occurred_at is not None and event.occurred_at > self.now
        is_unknown = self.known_slates is not None and event.slate and event.slate not in self.known_slates
        notes = {
            "occurred_at: it lies ahead, so now was taken.": is_ahead,
            "slate: there is no such slate.": is_unknown,
        }
        return tuple(note for note, holds in notes.items() if holds)

    def _firsts(self) -> list[Event]:
        """The first valid event of each id that is not stored. The others are compared with it."""
        fresh = [event for event in self.events if _has_zone(event) and event.event_id not in self.stored]
        return list({event.event_id: event for event in reversed(fresh)}.values())[::-1]

    def _row(self, event: Event, listing: int | str) -> tuple:
        occurred_at = min(event.occurred_at or self.now, self.now)
        body = (event.actor.pk, listing, event.kind, event.slate, event.position)
        return self.source, event.event_id, *body, occurred_at, self.now

    def _stored(self, table: type[Interaction | ParkedInteraction], listing: str) -> dict[str, _Stored]:
        rows = table.objects.filter(source=self.source, event_id__in=self.event_ids)
        fields = (listing if name == "listing" else name for name in _Stored._fields)
        columns = rows.values_list("event_id", *fields)
        return {event_id: _Stored(*values) for event_id, *values in columns}


def _has_zone(event: Event) -> bool:
    return event.occurred_at is None or event.occurred_at.tzinfo is not None


def _is_same(event: Event, row: _Stored) -> bool:
    body = (event.actor.pk, event.listing, event.kind, event.slate, event.position)
    if body != row[:5]:
        return False
    return event.occurred_at is None or min(event.occurred_at, row.received_at) == row.occurred_at


# RETURNING lists only the rows that were inserted; bulk_create with ignored conflicts cannot tell them apart.
_INSERT = """
    INSERT INTO {table}
        (source, event_id, actor_id, {listing}, kind, slate, position, occurred_at, received_at{more})
    SELECT event.*{verdict} FROM unnest(
        %(c0)s::text[], %(c1)s::text[], %(c2)s::bigint[], %(c3)s::{type}[], %(c4)s::text[], %(c5)s::text[],
        %(c6)s::smallint[], %(c7)s::timestamptz[], %(c8)s::timestamptz[]
    ) AS event (source, event_id, actor_id, listing_id, kind, slate, position, occurred_at, received_at)
    ON CONFLICT (source, event_id) DO NOTHING
    RETURNING event_id
"""
_INTO_INTERACTIONS = _INSERT.format(
    table="recommendations_interaction",
    listing="listing_id",
    type="bigint",
    more=", is_doubtful",
    verdict=f", %(judged)s AND {attribution.is_false_claim('event')}",
)
_INTO_PARKED = _INSERT.format(  # its claim is checked when its listing is published
    table="recommendations_parkedinteraction",
    listing="listing_external_id",
    type="text",
    more="",
    verdict="",
)


def _insert(statement: str, rows: list[tuple], **parameters: Any) -> set[str]:
    """Insert the rows that do not exist yet and return their event ids. Sorted against deadlocks."""
    if not rows:
        return set()
    ordered = sorted(rows, key=lambda row: row[1])
    with connection.cursor() as cursor:
        columns = {f"c{place}": list(column) for place, column in enumerate(zip(*ordered, strict=True))}
        cursor.execute(statement, columns | parameters)
        return {event_id for (event_id,) in cursor.fetchall()}


def known_listings(external_ids: set[str]) -> dict[str, int]:
    """External id -> primary key, for the listings that are or were public. Of others nobody may learn."""
    published = Listing.objects.filter(external_id__in=external_ids, is_unpublished=False)
    return dict(published.values_list("external_id", "pk"))
