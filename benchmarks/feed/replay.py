"""Replay of a log in simulated time: its listings and events, in the database and in a catalogue snapshot."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

import numpy as np
from django.db import connection

from benchmarks.feed.catalogue import Catalogue
from benchmarks.feed.log import SESSION, Log, LogEvent
from listings.models import Listing
from ml.arrays import Vector
from recommendations.collaborative import store
from recommendations.interactions.recording import MAXIMUM_BATCH, Event, record
from recommendations.interactions.simulation import SOURCE
from recommendations.popularity import impression_counts, trending
from recommendations.ranker.model import Ranker
from recommendations.replica import follower
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.slates.results import Page

Status = Listing.Status


@dataclass(frozen=True)
class Served:
    """A page that an actor was shown. Events with its listings within a session name its slate."""

    slate: str
    places: dict[str, int]  # listing -> position
    at: datetime

    def claim(self, happening: LogEvent) -> dict[str, str | int]:
        """Slate and position for an event, empty if the event does not come from this page."""
        place = self.places.get(happening.listing)
        if place is None or not self.at <= happening.at <= self.at + SESSION:
            return {}
        return {"slate": self.slate, "position": place}


class Replay:
    """The state at one moment, which only moves forward. Later events of the log are not in the database.

    Later listings are there as drafts, which are neither served nor learned from.
    """

    def __init__(self, catalogue: Catalogue, log: Log):
        self.catalogue, self.log = catalogue, log
        self._whole = catalogue.whole
        self._alive = np.zeros(catalogue.whole.row_count, bool)
        self._changes = iter(_changes(log))
        self._next_change = next(self._changes, None)
        self._events = iter(log.events)
        self._next_event = next(self._events, None)
        self._met: set[tuple[str, str]] = set()
        self._touched = np.zeros(catalogue.whole.row_count, np.float32)
        self._served: dict[str, Served] = {}  # the last page of each actor

    def forward_to(self, moment: datetime) -> None:
        """Apply all changes and events of the log before this moment."""
        self._move_listings(moment)
        events = self._events_before(moment)
        while batch := list(islice(events, MAXIMUM_BATCH)):
            self._record(batch, moment)
        trending.roll_up(now=moment)
        impression_counts.roll_up(now=moment)
        impression_counts.forget()

    def note_page(self, actor: str, page: Page, moment: datetime) -> None:
        """Note that this actor is shown this page."""
        if page.slate_id is not None:
            places = {item.listing.external_id: place for place, item in enumerate(page.items)}
            self._served[actor] = Served(page.slate_id, places, moment)

    def take_model(self) -> None:
        """Serve the active collaborative model."""
        row = store.active()
        self._whole = self._whole.with_collaborative(store.load(row) if row else None)

    def take_ranker(self, ranker: Ranker | None) -> None:
        """Serve this learned ranker."""
        self._whole = self._whole.with_ranker(ranker)

    def snapshot(self) -> CatalogueSnapshot:
        """The catalogue snapshot of a serving process at this moment."""
        return replace(self._whole, alive=self._alive.copy()).with_trending(*trending.top())

    @property
    def touched_by(self) -> Vector:
        """Number of actors who have touched each row so far: (rows,) float32"""
        return self._touched

    @property
    def alive(self) -> np.ndarray:
        """Mask of rows that the log says are on the market: (rows,) bool"""
        return self._alive

    def _move_listings(self, moment: datetime) -> None:
        states: dict[str, tuple[datetime, str]] = {}
        while self._next_change is not None and self._next_change[0] <= moment:
            at, listing, status = self._next_change
            states[listing] = (at, status)
            self._alive[self.catalogue.row_of[listing]] = status == Status.ACTIVE
            self._next_change = next(self._changes, None)
        _update((self.catalogue.listings[name].pk, at, status) for name, (at, status) in states.items())

    def _events_before(self, moment: datetime) -> Iterable[LogEvent]:
        while self._next_event is not None and self._next_event.at < moment:
            yield self._next_event
            self._next_event = next(self._events, None)

    def _record(self, happenings: list[LogEvent], moment: datetime) -> None:
        actors, rows = self.catalogue.actors, self.catalogue.row_of
        events = [
            Event(
                event.event_id, actors[event.actor], event.listing, event.kind, event.at, **self._claim(event)
            )
            for event in happenings
        ]
        record(source=SOURCE, events=events, now=moment)
        news = {(event.actor, event.listing) for event in happenings} - self._met
        self._met |= news
        for listing, count in Counter(listing for _, listing in news).items():
            self._touched[rows[listing]] += count

    def _claim(self, happening: LogEvent) -> dict[str, str | int]:
        served = self._served.get(happening.actor)
        return served.claim(happening) if served else {}


def show(snapshot: CatalogueSnapshot) -> None:
    """Set the snapshot of this process's replica, without a thread that follows the catalogue."""
    follower._replica.snapshot, follower._replica._pid = snapshot, os.getpid()


def _changes(log: Log) -> list[tuple[datetime, str, str]]:
    """Time, listing and new status of each change, in order of time."""
    changes = []
    for listing, life in log.lives.items():
        changes.append((life.published_at, listing, Status.ACTIVE))
        changes.append((life.ended_at, listing, Status.SOLD if life.is_sold else Status.WITHDRAWN))
    return sorted(changes)


# No change log: the snapshot is made anew for each moment instead of following the log.
_UPDATE = """
    UPDATE listings_listing SET status = new.status, updated_at = new.at,
           sold_at = CASE WHEN new.status = 'sold' THEN new.at END
    FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[]) AS new (id, at, status)
    WHERE listings_listing.id = new.id
"""


def _update(states: Iterable[tuple[int, datetime, str]]) -> None:
    columns = [list(column) for column in zip(*states, strict=True)]
    if columns:
        with connection.cursor() as cursor:
            cursor.execute(_UPDATE, columns)
