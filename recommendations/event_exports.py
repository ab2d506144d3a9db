"""Events into files that `event_files.import_events` reads."""

import csv
import gzip
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

from django.db.models import QuerySet

from listings.errors import Invalid, Missing
from ml.progress import Progress, unwatched
from recommendations.durable import sync
from recommendations.event_files import COLUMNS, CSV, ending
from recommendations.models import Interaction

EXTERNAL_IDS = {"actor": "actor__external_id", "listing": "listing__external_id"}
CHUNK_ROWS = 2000

Write = Callable[[dict[str, object]], object]


class NoEvents(Missing):
    """There is nothing to export."""


def chosen_events(
    *, source: str | None = None, since: datetime | None = None, until: datetime | None = None
) -> QuerySet:
    """The events of a source, from a time on and before another, in the order in which they happened.

    None: of every source, from the first, to the last. Raises NoEvents.
    """
    asked = {"source": source, "occurred_at__gte": since, "occurred_at__lt": until}
    asked = {field: value for field, value in asked.items() if value is not None}
    events = Interaction.objects.filter(**asked).order_by("occurred_at", "pk")
    if not events.exists():
        raise NoEvents(f"There are no events {'of that source and time' if asked else 'to export'}.")
    return events


def export_events(events: QuerySet, path: Path, *, progress: Progress = unwatched) -> int:
    """Write events to a file, of the format and compression that its name ends in; how many.

    The file appears when it is whole: until then, what was there before stays.
    Raises Invalid for another ending or a place where no file can be, and OSError.
    """
    is_csv = ending(path) == CSV
    with _written_aside(path) as file:
        return _write_all(events, _csv_writer(file) if is_csv else _json_writer(file), progress)


def export_lines(events: QuerySet, file: TextIO) -> int:
    """Write events as JSON lines to an open file; how many."""
    return _write_all(events, _json_writer(file), unwatched)


def _write_all(events: QuerySet, write: Write, progress: Progress) -> int:
    """Row by row through a cursor of the database, so that a long log is never in memory."""
    done, total = 0, events.count()
    rows = events.values_list(*(EXTERNAL_IDS.get(name, name) for name in COLUMNS))
    for done, row in enumerate(rows.iterator(chunk_size=CHUNK_ROWS), start=1):
        told = dict(zip(COLUMNS, row, strict=True))
        write(told | {"occurred_at": told["occurred_at"].isoformat()})
        if done % CHUNK_ROWS == 0:
            progress(done, total)
    return done


def _csv_writer(file: TextIO) -> Write:
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    return writer.writerow


def _json_writer(file: TextIO) -> Write:
    def write(told: dict[str, object]) -> None:
        known = {name: value for name, value in told.items() if value is not None}
        file.write(json.dumps(known, ensure_ascii=False) + "\n")

    return write


@contextmanager
def _written_aside(path: Path) -> Iterator[TextIO]:
    """A file beside the place, which takes it when the block ends and goes away when it fails."""
    if path.is_dir():
        raise Invalid(f"{path} is a folder.")
    if not path.parent.is_dir():
        raise Invalid(f"There is no folder {path.parent}.")
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(aside, "wt", encoding="utf-8", newline="") as file:  # csv makes its own line ends
            yield file
        sync(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
