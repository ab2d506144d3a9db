"""Export of events into files that `import_files.import_events` reads."""

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
from ml.progress import Progress, ignore_progress
from recommendations.core.files import fsync
from recommendations.event_files.import_files import COLUMNS, ending
from recommendations.models.events import Interaction

EXTERNAL_IDS = {"actor": "actor__external_id", "listing": "listing__external_id"}
CHUNK_ROWS = 2000

Write = Callable[[dict[str, object]], object]


class NoEvents(Missing):
    """There is nothing to export."""


def select_events(
    *, source: str | None = None, since: datetime | None = None, until: datetime | None = None
) -> QuerySet:
    """The events of a source in [since, until), in order of time.

    None: every source, from the first event, to the last. Raises NoEvents.
    """
    conditions = {"source": source, "occurred_at__gte": since, "occurred_at__lt": until}
    conditions = {field: value for field, value in conditions.items() if value is not None}
    events = Interaction.objects.filter(**conditions).order_by("occurred_at", "pk")
    if not events.exists():
        raise NoEvents(f"There are no events {'of that source and time' if conditions else 'to export'}.")
    return events


def export_events(events: QuerySet, path: Path, *, progress: Progress = ignore_progress) -> int:
    """Write events to a file. Its ending decides on format and compression. Returns how many were written.

    The file is replaced only once it is complete. Raises Invalid for an ending that is not accepted and for
    a path that cannot be a file, and OSError.
    """
    is_csv = ending(path) == ".csv"
    with _written_aside(path) as file:
        return _write_all(events, _csv_writer(file) if is_csv else _json_writer(file), progress)


def export_lines(events: QuerySet, file: TextIO) -> int:
    """Write events as JSON lines to an open file. Returns how many."""
    return _write_all(events, _json_writer(file), ignore_progress)


def _write_all(events: QuerySet, write: Write, progress: Progress) -> int:
    """Through a server-side cursor, so that a long log is never in memory."""
    done, total = 0, events.count()
    rows = events.values_list(*(EXTERNAL_IDS.get(name, name) for name in COLUMNS))
    for done, row in enumerate(rows.iterator(chunk_size=CHUNK_ROWS), start=1):
        event = dict(zip(COLUMNS, row, strict=True))
        write(event | {"occurred_at": event["occurred_at"].isoformat()})
        if done % CHUNK_ROWS == 0:
            progress(done, total)
    return done


def _csv_writer(file: TextIO) -> Write:
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    return writer.writerow


def _json_writer(file: TextIO) -> Write:
    def write(event: dict[str, object]) -> None:
        present = {name: value for name, value in event.items() if value is not None}
        file.write(json.dumps(present, ensure_ascii=False) + "\n")

    return write


@contextmanager
def _written_aside(path: Path) -> Iterator[TextIO]:
    """A temporary file beside `path`, which it replaces when the block ends. Deleted on failure."""
    if path.is_dir():
        raise Invalid(f"{path} is a folder.")
    if not path.parent.is_dir():
        raise Invalid(f"There is no folder {path.parent}.")
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(aside, "wt", encoding="utf-8", newline="") as file:  # csv makes its own line ends
            yield file
        fsync(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
