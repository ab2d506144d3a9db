"""The log of simulated shoppers: events, lifetimes of listings, and the questions that are evaluated."""

import csv
import gzip
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path

from benchmarks import installation  # noqa: F401  first: it sets Django up
from benchmarks.protocol import BadData
from recommendations.models.events import Interaction

FILES = {
    "events": ("event_id", "occurred_at", "actor", "listing", "kind"),
    "listings": ("listing", "published_at", "ended_at", "ended_by"),
}
WANTED = frozenset(
    {"view", "favourite", "message", "offer", "purchase"}
)  # kinds that make a listing relevant
SESSION = timedelta(minutes=30)
LEAST_EVENTS = 3  # of an actor before their evaluated session


@dataclass(frozen=True)
class LogEvent:
    """One event of the log."""

    event_id: str
    at: datetime
    actor: str
    listing: str
    kind: str


@dataclass(frozen=True)
class Lifetime:
    """The time of a listing on the market, without its end."""

    published_at: datetime
    ended_at: datetime
    is_sold: bool


@dataclass(frozen=True)
class EvaluatedSession:
    """An evaluated session: its actor, the relevant listings, and those touched before."""

    moment: datetime
    actor: str
    relevant: frozenset[str]  # listings
    touched: frozenset[str]  # by the actor, before


@dataclass(frozen=True)
class Log:
    """A log of SIMULATED shoppers; figures from it have to say so."""

    events: list[LogEvent]  # in order of time
    lives: dict[str, Lifetime]

    @cached_property
    def start(self) -> datetime:
        """Midnight before the first event, from which the log's days are counted."""
        return self.events[0].at.replace(hour=0, minute=0, second=0, microsecond=0)

    @cached_property
    def of_actor(self) -> dict[str, list[LogEvent]]:
        """Each actor's events in order of time."""
        own = defaultdict(list)
        for event in self.events:
            own[event.actor].append(event)
        return own

    def only(self, listings: set[str]) -> "Log":
        """The log without the events and lifetimes of other listings."""
        return Log(
            [event for event in self.events if event.listing in listings],
            {listing: life for listing, life in self.lives.items() if listing in listings},
        )

    def visits(self, since: datetime, until: datetime) -> list[tuple[datetime, str]]:
        """Start and actor of each day's first session in this time, if LEAST_EVENTS events precede it."""
        first: dict[tuple[str, date], datetime] = {}
        for actor, own in self.of_actor.items():
            for place in _sessions(own, since, until):
                if place >= LEAST_EVENTS:
                    first.setdefault((actor, own[place].at.date()), own[place].at)
        return sorted((at, actor) for (actor, _), at in first.items())

    def questions(self, since: datetime, until: datetime) -> list[EvaluatedSession]:
        """A question for the first session of each actor that begins in this time, in order of time."""
        candidates = (_question(own, since, until) for own in self.of_actor.values())
        questions = [question for question in candidates if question is not None]
        return sorted(questions, key=lambda question: (question.moment, question.actor))


def _sessions(own: list[LogEvent], since: datetime, until: datetime) -> Iterator[int]:
    """Positions in an actor's events at which a session begins in this time."""
    for place, event in enumerate(own):
        begins = not place or event.at - own[place - 1].at > SESSION
        if begins and since <= event.at < until:
            yield place


def _question(own: list[LogEvent], since: datetime, until: datetime) -> EvaluatedSession | None:
    """The question of an actor; None for too few earlier events, no session, or no new listing in it."""
    first = next(_sessions(own, since, until), None)
    if first is None or first < LEAST_EVENTS:
        return None
    moment = own[first].at
    touched = frozenset(event.listing for event in own[:first])
    session = own[first : bisect_right(own, moment + SESSION, key=lambda event: event.at)]
    relevant = frozenset(event.listing for event in session if event.kind in WANTED) - touched
    return EvaluatedSession(moment, own[first].actor, relevant, touched) if relevant else None


def read_log(folder: Path) -> Log:
    """Read events.csv.gz and listings.csv.gz. Raises BadData, OSError."""
    events = [_event(row) for row in _rows(folder, "events")]
    if not events:
        raise BadData(f"{folder / 'events.csv.gz'} holds no event.")
    lives = {row["listing"]: _life(row) for row in _rows(folder, "listings")}
    return Log(sorted(events, key=lambda event: event.at), lives)


def _rows(folder: Path, name: str) -> Iterator[dict[str, str]]:
    path = folder / f"{name}.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        if missing := set(FILES[name]) - set(reader.fieldnames or ()):
            raise BadData(f"{path} has no column {', '.join(sorted(missing))}.")
        yield from reader


def _event(row: dict[str, str]) -> LogEvent:
    if row["kind"] not in Interaction.Kind.values:
        accepted = ", ".join(Interaction.Kind.values)
        raise BadData(
            f"events.csv.gz: {row['event_id']} is of the kind {row['kind']!r}; accepted: {accepted}."
        )
    return LogEvent(row["event_id"], _time(row["occurred_at"]), row["actor"], row["listing"], row["kind"])


def _life(row: dict[str, str]) -> Lifetime:
    return Lifetime(_time(row["published_at"]), _time(row["ended_at"]), row["ended_by"] == "sold")


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise BadData(f"{text!r} is not a time; accepted: 2026-03-02T00:57:13Z.") from None
    if at.tzinfo is None:
        raise BadData(f"{text!r} has no time zone; accepted: 2026-03-02T00:57:13Z.")
    return at
