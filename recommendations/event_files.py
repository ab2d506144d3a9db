"""Events from files: JSON lines or CSV, plain or gzipped, into the same door as the API's."""

import csv
import gzip
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

from listings.errors import Invalid
from listings.models import Actor
from recommendations.interactions import MAXIMUM_BATCH, Event, Outcome, record
from recommendations.serializers import EventBody

COLUMNS = ("event_id", "occurred_at", "actor", "listing", "kind", "slate", "position")
REQUIRED = frozenset({"event_id", "occurred_at", "actor", "listing", "kind"})
SHOWN = 20


@dataclass
class Report:
    """How many rows had each outcome, and why the first few were not taken."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[int, str, str]] = field(default_factory=list)  # line number, event id, reason

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
    with _open(path) as stream:
        rows = enumerate(_rows(path, stream), start=1)
        while batch := list(itertools.islice(rows, MAXIMUM_BATCH)):
            _import_batch(batch, source, now, report)
            progress(sum(report.counts.values()))
    return report


def _import_batch(batch: list[tuple[int, dict]], source: str, now: datetime, report: Report) -> None:
    bodies = [(number, EventBody(data=row)) for number, row in batch]
    good = [(number, body.validated_data) for number, body in bodies if body.is_valid()]
    for number, body in bodies:
        if body.errors:
            reason = "; ".join(f"{name}: {' '.join(map(str, said))}" for name, said in body.errors.items())
            report.add(number, str(body.initial_data.get("event_id")), Outcome.REJECTED, reason)
    actors = _actors({data.get("actor", "") for _, data in good} - {""})
    named = [(number, data) for number, data in good if data.get("actor") in actors]
    events = [Event(**(data | {"actor": actors[data["actor"]]})) for _, data in named]
    for (number, _), result in zip(named, record(source=source, events=events, now=now), strict=True):
        report.add(number, result.event_id, result.outcome, result.reason)
    for number, data in good:
        if data.get("actor") not in actors:
            report.add(number, data["event_id"], Outcome.REJECTED, "actor: This field is required.")


def _actors(external_ids: set[str]) -> dict[str, Actor]:
    Actor.objects.bulk_create(
        [Actor(external_id=name) for name in sorted(external_ids)], ignore_conflicts=True
    )
    return {actor.external_id: actor for actor in Actor.objects.filter(external_id__in=external_ids)}


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _rows(path: Path, stream: IO[str]) -> Iterator[dict]:
    names = [suffix for suffix in path.suffixes if suffix != ".gz"]
    if names[-1:] == [".csv"]:
        return _csv_rows(path, stream)
    if names[-1:] in ([".jsonl"], [".ndjson"], [".json"]):
        return _json_rows(path, stream)
    raise Invalid(f"{path}: found {path.suffix or 'no ending'}; accepted: .csv or .jsonl, also with .gz.")


def _csv_rows(path: Path, stream: IO[str]) -> Iterator[dict]:
    reader = csv.DictReader(stream)
    if missing := REQUIRED - set(reader.fieldnames or ()):
        raise Invalid(f"{path} lacks the columns {', '.join(sorted(missing))}.")
    return ({name: row[name] for name in COLUMNS if row.get(name)} for row in reader)


def _json_rows(path: Path, stream: IO[str]) -> Iterator[dict]:
    for number, line in enumerate(stream, start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise Invalid(f"{path}, line {number} is not JSON: {error}.") from None
        yield row if isinstance(row, dict) else {}
