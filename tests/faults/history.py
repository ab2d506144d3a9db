"""History of a torture run, and checks that no guarantee was violated."""

from collections import Counter
from dataclasses import dataclass
from math import inf

WHATS = ("publish", "edit", "sell", "reserve", "release", "send", "look")


@dataclass(frozen=True)
class Entry:
    """One request. Without a response, or with an ambiguous one, it may have taken effect or not."""

    began: float  # seconds of time.monotonic()
    ended: float
    what: str  # one of WHATS
    name: str  # of a listing, an event or a page
    is_done: bool = True  # acknowledged with success
    shown: frozenset[str] = frozenset()  # listings on a page
    title: str = ""  # new title of an edit


@dataclass(frozen=True)
class Absence:
    """A period in which a listing was not for sale."""

    listing: str
    since: float
    until: float = inf


def absences(history: list[Entry]) -> list[Absence]:
    """Periods after each acknowledged sale, and between a reservation and the next attempt to release it."""
    periods = [
        Absence(entry.name, entry.ended) for entry in history if entry.what == "sell" and entry.is_done
    ]
    for held in (entry for entry in history if entry.what == "reserve" and entry.is_done):
        ends = (entry.began for entry in history if entry.what == "release" and entry.name == held.name)
        periods.append(
            Absence(held.name, held.ended, min((end for end in ends if end >= held.ended), default=inf))
        )
    return periods


def shown_while_absent(history: list[Entry]) -> list[str]:
    """Pages that show a listing which was off the market from the request to the response."""
    away: dict[str, list[Absence]] = {}
    for absence in absences(history):
        away.setdefault(absence.listing, []).append(absence)
    return [
        f"{entry.name} showed {listing}, which was sold or reserved"
        for entry in history
        for listing in entry.shown
        for absence in away.get(listing, ())
        if absence.since < entry.began and entry.ended < absence.until
    ]


def lost_edits(history: list[Entry], titles: dict[str, str]) -> list[str]:
    """Listings whose title is neither that of the last acknowledged edit nor of a later attempt."""
    possible: dict[str, set[str]] = {}
    for entry in sorted((entry for entry in history if entry.what == "edit"), key=lambda entry: entry.began):
        before = set() if entry.is_done else possible.get(entry.name, {titles.get(entry.name, "")})
        possible[entry.name] = before | {entry.title}
    return [name for name, given in possible.items() if titles.get(name) not in given]


def violations(
    history: list[Entry], *, statuses: dict[str, str], titles: dict[str, str], event_ids: list[str]
) -> list[str]:
    """Violations. The last three arguments are the final content of the database.

    Edits of one listing never overlap.
    """
    done = {
        what: Counter(entry.name for entry in history if entry.what == what and entry.is_done)
        for what in WHATS
    }
    tried_to_sell = {entry.name for entry in history if entry.what == "sell"}
    sold = {name for name, status in statuses.items() if status == "sold"}
    sent = {entry.name for entry in history if entry.what == "send"}
    return [
        *shown_while_absent(history),
        *(f"the listing {name} is lost" for name in done["publish"].keys() - statuses.keys()),
        *(f"the edit of {name} is lost" for name in lost_edits(history, titles)),
        *(f"the sale of {name} is lost" for name in done["sell"].keys() - sold),
        *(f"{name} was sold {count} times" for name, count in done["sell"].items() if count > 1),
        *(f"{name} was sold, which nobody asked for" for name in sold - tried_to_sell),
        *(f"the event {name} is lost" for name in done["send"].keys() - set(event_ids)),
        *(
            f"the event {name} is there {count} times"
            for name, count in Counter(event_ids).items()
            if count > 1
        ),
        *(f"nobody sent the event {name}" for name in set(event_ids) - sent),
    ]
