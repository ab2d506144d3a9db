import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TextIO, cast

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from listings.errors import DomainError
from recommendations.core.progress import progress_bar
from recommendations.event_files.export_files import export_events, export_lines, select_events
from recommendations.management.arguments import iso_time

STANDARD_OUTPUT = "-"


class Command(BaseCommand):
    help = (
        "Write events to a CSV or JSON lines file (also .gz) that import_interactions reads, in order of "
        "time: event_id, occurred_at, actor, listing, kind, slate, position and source. Event ids are unique "
        "within their source, so each row names it and the import keeps it: events imported into the "
        "database that they came from are duplicates. Listings are not part of the file: import them first. "
        "The file appears once it is complete. Exits with status 1 if there is nothing to write."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "file",
            help="ends in .csv, .jsonl, .csv.gz or .jsonl.gz; - writes JSON lines to standard output",
        )
        parser.add_argument(
            "--since",
            type=iso_time,
            metavar="TIME",
            help="only events from then on: 2026-03-14 or 2026-03-14T12:00Z; without a zone, in TIME_ZONE",
        )
        parser.add_argument("--until", type=iso_time, metavar="TIME", help="only events before this time")
        parser.add_argument(
            "--source", metavar="NAME", help="only events of this source, such as service:shop"
        )

    def handle(
        self, *, file: str, source: str | None, since: datetime | None, until: datetime | None, **options
    ):
        try:
            events = select_events(source=source, since=since, until=until)
            if file == STANDARD_OUTPUT:
                self._print(events)
            else:
                self._write(events, Path(file))
        except DomainError as error:
            raise CommandError(error.detail) from None
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from None

    def _write(self, events: QuerySet, path: Path) -> None:
        with progress_bar("Exporting events") as progress:
            count = export_events(events, path, progress=progress)
        self.stdout.write(f"{count} events written to {path}.")

    def _print(self, events: QuerySet) -> None:
        """Events go to standard output, messages to standard error."""
        try:
            count = export_lines(events, cast(TextIO, self.stdout._out))
            self.stdout.flush()
            self.stderr.write(f"{count} events written.")
        except BrokenPipeError:  # the reader closed the pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
