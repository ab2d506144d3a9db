"""Import of event files: CSV, JSON lines or Parquet, recorded as events sent to the API are."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path

from rest_framework import serializers

from listings.errors import Invalid
from listings.row_files.reading import JSON_LINES, RowFile, open_rows, refuse_missing
from listings.row_files.rows import Row, ending_of, rows_written
from listings.services import ensure_actors
from recommendations.event_files.foreign_events import NotAnEvent, shape_of
from recommendations.interactions.recording import MAXIMUM_BATCH, Event, RecordOutcome, record_by_source
from recommendations.interactions.serializers import EventBody

COLUMNS = ("event_id", "occurred_at", "actor", "listing", "kind", "slate", "position", "source")
REQUIRED = frozenset({"event_id", "occurred_at", "actor", "listing", "kind"})
SOURCE = "import"  # of rows without a source
SHOWN = 20
REPORT_COLUMNS = ("row", "line", "event_id", "outcome", "reason")

Refusal = tuple[int, int, str, str, str]  # of REPORT_COLUMNS


class FileEvent(EventBody):
    """One event of a file. It may name its source, which the API never accepts: imports are an operator's."""

    # Every serializer has an attribute `source`, which REST framework sets on the instance.
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=250, required=False, trim_whitespace=False
    )


@dataclass
class EventImportReport:
    """The number of rows for each outcome, and the reasons of the first rows that were refused.

    remarks: what was unusual about the file. on_refusal: called for each row that was refused.
    """

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[Refusal] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    unreadable_count: int = 0  # rows that are none, such as broken lines
    on_refusal: Callable[[Refusal], object] = lambda refusal: None

    @property
    def row_count(self) -> int:
        return sum(self.counts.values())

    @property
    def refused_count(self) -> int:
        return self.counts[RecordOutcome.REJECTED] + self.counts[RecordOutcome.CONFLICT]

    def add(self, row: Row, event_id: str, outcome: str, reason: str = "") -> None:
        self.counts[outcome] += 1
        if reason:
            refusal = (row.number, row.line, event_id, str(outcome), reason)
            self.on_refusal(refusal)
            if len(self.refused) < SHOWN:
                self.refused.append(refusal)


@dataclass(frozen=True)
class ImportedEvent:
    """A row with the event that it describes, by the names of the API."""

    row: Row
    body: dict[str, object]


def import_events(
    path: Path,
    *,
    source: str | None,
    now: datetime,
    progress: Callable[[int], None] = lambda done: None,
    report: EventImportReport | None = None,
) -> EventImportReport:
    """Record every event of a file, in batches, without reading all of it into memory. Safe to repeat.

    The columns may be ours, or those of an export of Segment or GA4. A row that is no event is refused and
    stops nothing. source None: the source that each row names, SOURCE where it names none. Events keep their
    own times, so old ones hardly change what is trending. Raises Invalid for a file of another format or
    without the required columns, or of which no row can be read.
    """
    report = report or EventImportReport()
    file = open_rows(path, frozenset(COLUMNS))
    shape = shape_of(file)
    if shape is None:
        refuse_missing(file, REQUIRED)
    _remark(file, shape.name if shape else "", report)
    rows = file.rows()
    while chunk := list(islice(rows, MAXIMUM_BATCH)):
        _import_batch(
            [_event(row, shape.event if shape else _ours, report) for row in chunk], source, now, report
        )
        progress(report.row_count)
    if report.row_count and report.unreadable_count == report.row_count:
        raise Invalid(f"{path} holds no event: {report.refused[0][-1]}.")
    return report


def _remark(file: RowFile, shape: str, report: EventImportReport) -> None:
    if file.remark:
        report.remarks.append(f"{file.path.name}: {file.remark}")
    if shape:
        report.remarks.append(f"{file.path.name}: read as an export of {shape}")
    elif ignored := sorted(set(file.header or ()) - {*COLUMNS, ""}):
        report.remarks.append(f"{file.path.name}: columns that were not read: {', '.join(ignored)}")


def _ours(cells: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in cells.items() if name in COLUMNS and value not in ("", None)}


def _event(
    row: Row, read: Callable[[Mapping[str, object]], dict[str, object]], report: EventImportReport
) -> ImportedEvent | None:
    """The event of a row; None for one that is refused."""
    if row.problem:
        report.unreadable_count += 1
        report.add(row, "", RecordOutcome.REJECTED, row.problem)
        return None
    try:
        return ImportedEvent(row, {name: _plain(value) for name, value in read(row.cells).items()})
    except NotAnEvent as error:
        report.add(row, error.event_id, RecordOutcome.REJECTED, str(error))
        return None


def _plain(value: object) -> object:
    """The value as JSON would hold it. A whole number that was stored as a fraction has no point."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return value.isoformat() if isinstance(value, date) else value


def _import_batch(
    batch: list[ImportedEvent | None], source: str | None, now: datetime, report: EventImportReport
) -> None:
    bodies = [(event.row, FileEvent(data=event.body)) for event in batch if event is not None]
    valid = [(row, body.validated_data) for row, body in bodies if body.is_valid()]
    for row, body in bodies:
        if body.errors:
            report.add(row, str(body.initial_data.get("event_id")), RecordOutcome.REJECTED, body.refusal)
    actors = ensure_actors({data.get("actor", "") for _, data in valid} - {""})
    by_source: dict[str, list[tuple[Row, Event]]] = defaultdict(list)
    for row, data in valid:
        own = data.pop("source", SOURCE)
        if data.get("actor") in actors:
            event = Event(**(data | {"actor": actors[data["actor"]]}))
            by_source[source or own].append((row, event))
        else:
            report.add(row, data["event_id"], RecordOutcome.REJECTED, "actor: This field is required.")
    _record(by_source, now, report)


def _record(by_source: dict[str, list[tuple[Row, Event]]], now: datetime, report: EventImportReport) -> None:
    """In one transaction: each shopper may be a source, and a commit for each of them would be slow."""
    events = {source: [event for _, event in numbered] for source, numbered in by_source.items()}
    # Slates that the file names may be of another database.
    results = record_by_source(events, now=now, are_claims_judged=False)
    for source, numbered in by_source.items():
        for (row, _), result in zip(numbered, results[source], strict=True):
            report.add(row, result.event_id, result.outcome, result.reason)


@contextmanager
def refusals_written(path: Path) -> Iterator[EventImportReport]:
    """A report that writes every refused row to this CSV file. Raises Invalid when it cannot be written."""
    with rows_written(path, REPORT_COLUMNS) as write_row:
        yield EventImportReport(on_refusal=write_row)


def ending(path: Path) -> str:
    """.csv or one of JSON_LINES, without .gz.   Raises Invalid."""
    if (found := ending_of(path)) in (".csv", *JSON_LINES):
        return found
    raise Invalid(f"{path}: found {path.suffix or 'no ending'}; accepted: .csv or .jsonl, also with .gz.")
