"""Events from files: JSON lines or CSV, plain or gzipped, through the door that the API uses."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pandas as pd

from listings.errors import Invalid
from listings.services import ensure_actors
from recommendations.interactions import MAXIMUM_BATCH, Event, Outcome, record
from recommendations.serializers import EventBody

COLUMNS = ("event_id", "occurred_at", "actor", "listing", "kind", "slate", "position")
REQUIRED = frozenset({"event_id", "occurred_at", "actor", "listing", "kind"})
SHOWN = 20


@dataclass
class Report:
    """How many rows had each outcome, and why the first few were not taken."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[int, str, str]] = field(default_factory=list)  # row number, event id, reason

    def add(self, number: int, event_id: str, outcome: str, reason: str = "") -> None:
        self.counts[outcome] += 1
        if reason and len(self.refused) < SHOWN:
            self.refused.append((number, event_id, reason))


def import_events(
    path: Path, *, source: str, now: datetime, progress: Callable[[int], None] = lambda done: None
) -> Report:
    """Record every event of a file, in batches, reading it as it goes. Twice is harmless.

    Old events get their own times, so what is trending now hardly moves. Raises Invalid for a file
    that is neither CSV with these columns nor JSON lines.
    """
    report = Report()
    try:
        for frame in _chunks(path):
            first = sum(report.counts.values()) + 1
            _import_batch(list(enumerate(_rows(path, frame), start=first)), source, now, report)
            progress(sum(report.counts.values()))
    except ValueError as error:  # pandas' parsers have no narrower class in common
        raise Invalid(f"{path} cannot be read: {str(error).splitlines()[0]}.") from None
    return report


def _import_batch(batch: list[tuple[int, dict]], source: str, now: datetime, report: Report) -> None:
    bodies = [(number, EventBody(data=row)) for number, row in batch]
    good = [(number, body.validated_data) for number, body in bodies if body.is_valid()]
    for number, body in bodies:
        if body.errors:
            report.add(number, str(body.initial_data.get("event_id")), Outcome.REJECTED, body.refusal)
    actors = ensure_actors({data.get("actor", "") for _, data in good} - {""})
    named = [(number, data) for number, data in good if data.get("actor") in actors]
    events = [Event(**(data | {"actor": actors[data["actor"]]})) for _, data in named]
    for (number, _), result in zip(named, record(source=source, events=events, now=now), strict=True):
        report.add(number, result.event_id, result.outcome, result.reason)
    for number, data in good:
        if data.get("actor") not in actors:
            report.add(number, data["event_id"], Outcome.REJECTED, "actor: This field is required.")


def _chunks(path: Path) -> Iterator[pd.DataFrame]:
    """The file in frames of at most MAXIMUM_BATCH rows, every cell as it is written."""
    names = [suffix for suffix in path.suffixes if suffix != ".gz"]
    if names[-1:] == [".csv"]:
        return pd.read_csv(path, chunksize=MAXIMUM_BATCH, dtype=str, keep_default_na=False)
    if names[-1:] in ([".jsonl"], [".ndjson"], [".json"]):
        return pd.read_json(path, lines=True, chunksize=MAXIMUM_BATCH, dtype=False)
    raise Invalid(f"{path}: found {path.suffix or 'no ending'}; accepted: .csv or .jsonl, also with .gz.")


def _rows(path: Path, frame: pd.DataFrame) -> list[dict]:
    """What each row says; an empty cell says nothing."""
    if missing := REQUIRED - set(frame.columns):
        raise Invalid(f"{path} lacks the columns {', '.join(sorted(missing))}.")
    known = frame[[name for name in COLUMNS if name in frame.columns]]
    return [
        {name: value for name, value in row.items() if value not in ("", None) and value == value}
        for row in known.to_dict("records")
    ]
