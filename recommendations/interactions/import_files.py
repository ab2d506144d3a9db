"""Import of event files: JSON lines or CSV, plain or gzipped, recorded as events sent to the API are."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pandas as pd
from rest_framework import serializers

from listings.errors import Invalid
from listings.services import ensure_actors
from recommendations.interactions.recording import MAXIMUM_BATCH, Event, RecordOutcome, record_by_source
from recommendations.interactions.serializers import EventBody

COLUMNS = ("event_id", "occurred_at", "actor", "listing", "kind", "slate", "position", "source")
REQUIRED = frozenset({"event_id", "occurred_at", "actor", "listing", "kind"})
CSV, JSON_LINES = ".csv", (".jsonl", ".ndjson", ".json")
SOURCE = "import"  # of rows without a source
SHOWN = 20


class FileEvent(EventBody):
    """One event of a file. It may name its source, which the API never accepts: imports are an operator's."""

    # Every serializer has an attribute `source`, which REST framework sets on the instance.
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=250, required=False, trim_whitespace=False
    )


@dataclass
class EventImportReport:
    """The number of rows for each outcome, and the reasons of the first rows that were refused."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[int, str, str]] = field(default_factory=list)  # row number, event id, reason

    def add(self, number: int, event_id: str, outcome: str, reason: str = "") -> None:
        self.counts[outcome] += 1
        if reason and len(self.refused) < SHOWN:
            self.refused.append((number, event_id, reason))


def import_events(
    path: Path, *, source: str | None, now: datetime, progress: Callable[[int], None] = lambda done: None
) -> EventImportReport:
    """Record every event of a file, in batches, without reading all of it into memory. Safe to repeat.

    source None: the source that each row names, SOURCE where it names none. Events keep their own times, so
    old ones hardly change what is trending. Raises Invalid for a file that is neither JSON lines nor CSV
    with the required columns.
    """
    report = EventImportReport()
    try:
        for frame in _chunks(path):
            first = sum(report.counts.values()) + 1
            _import_batch(list(enumerate(_rows(path, frame), start=first)), source, now, report)
            progress(sum(report.counts.values()))
    except ValueError as error:  # pandas' parsers have no narrower class in common
        raise Invalid(f"{path} cannot be read: {str(error).splitlines()[0]}.") from None
    return report


def _import_batch(
    batch: list[tuple[int, dict]], source: str | None, now: datetime, report: EventImportReport
) -> None:
    bodies = [(number, FileEvent(data=row)) for number, row in batch]
    valid = [(number, body.validated_data) for number, body in bodies if body.is_valid()]
    for number, body in bodies:
        if body.errors:
            report.add(number, str(body.initial_data.get("event_id")), RecordOutcome.REJECTED, body.refusal)
    actors = ensure_actors({data.get("actor", "") for _, data in valid} - {""})
    by_source: dict[str, list[tuple[int, Event]]] = defaultdict(list)
    for number, data in valid:
        own = data.pop("source", SOURCE)
        if data.get("actor") in actors:
            event = Event(**(data | {"actor": actors[data["actor"]]}))
            by_source[source or own].append((number, event))
        else:
            report.add(number, data["event_id"], RecordOutcome.REJECTED, "actor: This field is required.")
    _record(by_source, now, report)


def _record(by_source: dict[str, list[tuple[int, Event]]], now: datetime, report: EventImportReport) -> None:
    """In one transaction: each shopper may be a source, and a commit for each of them would be slow."""
    events = {source: [event for _, event in numbered] for source, numbered in by_source.items()}
    results = record_by_source(
        events, now=now, are_claims_judged=False
    )  # their slates may be of another database
    for source, numbered in by_source.items():
        for (number, _), result in zip(numbered, results[source], strict=True):
            report.add(number, result.event_id, result.outcome, result.reason)


def _chunks(path: Path) -> Iterator[pd.DataFrame]:
    """The file in frames of at most MAXIMUM_BATCH rows, every cell as text."""
    if ending(path) == CSV:
        return pd.read_csv(path, chunksize=MAXIMUM_BATCH, dtype=str, keep_default_na=False)
    return pd.read_json(path, lines=True, chunksize=MAXIMUM_BATCH, dtype=False)


def ending(path: Path) -> str:
    """CSV or one of JSON_LINES, without .gz.   Raises Invalid."""
    endings = [suffix for suffix in path.suffixes if suffix != ".gz"]
    if endings and endings[-1] in (CSV, *JSON_LINES):
        return endings[-1]
    raise Invalid(f"{path}: found {path.suffix or 'no ending'}; accepted: .csv or .jsonl, also with .gz.")


def _rows(path: Path, frame: pd.DataFrame) -> list[dict]:
    """Each row as a dict, without its empty cells.   Raises Invalid for missing columns."""
    if missing := REQUIRED - set(frame.columns):
        raise Invalid(f"{path} lacks the columns {', '.join(sorted(missing))}.")
    columns = frame[[name for name in COLUMNS if name in frame.columns]]
    return [
        {name: value for name, value in row.items() if value not in ("", None) and value == value}
        for row in columns.to_dict("records")
    ]
