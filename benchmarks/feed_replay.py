"""Simulated time over a catalogue: listings come and go and people act, in the database and in a view."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

import numpy as np
from django.db import connection

from benchmarks.feed_catalogue import Catalogue
from benchmarks.feed_log import SESSION, Happening, Log
from listings.models import Listing
from ml.arrays import Vector
from recommendations import exposure, model_store, replica, trending
from recommendations.interactions import MAXIMUM_BATCH, Event, record
from recommendations.pages import Page
from recommendations.served_ranker import Ranker
from recommendations.simulation import SOURCE
from recommendations.view import View

Status = Listing.Status


@dataclass(frozen=True)
class Served:
    """A page that somebody was shown: what they touch of it within a session names its slate."""

    slate: str
    places: dict[str, int]  # listing -> where it stood
    at: datetime

    def claim(self, happening: Happening) -> dict[str, str | int]:
        """What an event says of where it came from; nothing if it did not come from here."""
        place = self.places.get(happening.listing)
        if place is None or not self.at <= happening.at <= self.at + SESSION:
            return {}
        return {"slate": self.slate, "position": place}


class Replay:
    """The world at one moment, which only moves forward. Nothing of the log after it is in the database.

    Except that listings to come are there as drafts, which nothing serves or learns from.
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
        """All that the log says happened before this moment has happened; listings are as of it."""
        self._move_listings(moment)
        events = self._events_before(moment)
        while batch := list(islice(events, MAXIMUM_BATCH)):
            self._record(batch, moment)
        trending.roll_up(now=moment)
        exposure.roll_up(now=moment)
        exposure.forget()

    def note_page(self, actor: str, page: Page, moment: datetime) -> None:
        """This actor is shown this page now."""
        if page.slate_id is not None:
            places = {item.listing.external_id: place for place, item in enumerate(page.items)}
            self._served[actor] = Served(page.slate_id, places, moment)

    def take_model(self) -> None:
        """Serve the collaborative model that is active."""
        row = model_store.active()
        self._whole = self._whole.with_collaborative(model_store.load(row) if row else None)

    def take_ranker(self, ranker: Ranker | None) -> None:
        """Serve this learned ranker."""
        self._whole = self._whole.with_ranker(ranker)

    def view(self) -> View:
        """What a serving process would know now."""
        return replace(self._whole, alive=self._alive.copy()).with_trending(*trending.top())

    @property
    def touched_by(self) -> Vector:
        """How many actors have touched each row so far: (rows,) float32"""
        return self._touched

    @property
    def alive(self) -> np.ndarray:
        """Which rows the log says are on the market: (rows,) bool"""
        return self._alive

    def _move_listings(self, moment: datetime) -> None:
        states: dict[str, tuple[datetime, str]] = {}
        while self._next_change is not None and self._next_change[0] <= moment:
            at, listing, status = self._next_change
            states[listing] = (at, status)
            self._alive[self.catalogue.row_of[listing]] = status == Status.ACTIVE
            self._next_change = next(self._changes, None)
        _update((self.catalogue.listings[name].pk, at, status) for name, (at, status) in states.items())

    def _events_before(self, moment: datetime) -> Iterable[Happening]:
        while self._next_event is not None and self._next_event.at < moment:
            yield self._next_event
            self._next_event = next(self._events, None)

    def _record(self, happenings: list[Happening], moment: datetime) -> None:
        actors, rows = self.catalogue.actors, self.catalogue.row_of
        events = [
            Event(it.event_id, actors[it.actor], it.listing, it.kind, it.at, **self._claim(it))
            for it in happenings
        ]
        record(source=SOURCE, events=events, now=moment)
        news = {(it.actor, it.listing) for it in happenings} - self._met
        self._met |= news
        for listing, count in Counter(listing for _, listing in news).items():
            self._touched[rows[listing]] += count

    def _claim(self, happening: Happening) -> dict[str, str | int]:
        served = self._served.get(happening.actor)
        return served.claim(happening) if served else {}


def show(view: View) -> None:
    """This process's replica holds this view from now on, and no thread follows the catalogue."""
    replica._replica.view, replica._replica._pid = view, os.getpid()


def _changes(log: Log) -> list[tuple[datetime, str, str]]:
    """When each listing becomes what, in order of time."""
    changes = []
    for listing, life in log.lives.items():
        changes.append((life.published_at, listing, Status.ACTIVE))
        changes.append((life.ended_at, listing, Status.SOLD if life.is_sold else Status.WITHDRAWN))
    return sorted(changes)


# No announcements: the view is not tailed here but made for each moment.
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
