from pathlib import Path
from typing import TextIO, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from listings.errors import Invalid
from recommendations.core.progress import progress_bar
from recommendations.event_files.import_files import (
    SOURCE,
    EventImportReport,
    import_events,
    refusals_written,
)


class Command(BaseCommand):
    help = (
        "Import events from a CSV, JSON lines (both also .gz) or Parquet file with event_id, occurred_at, "
        "actor, listing, kind and optionally slate, position and source, which vouches for the event; or "
        "from an export of Segment or GA4. Safe to repeat: no event is added twice."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--source",
            metavar="NAME",
            help=f"the source of all events, instead of the file's (default: the file's, or else {SOURCE})",
        )

        parser.add_argument(
            "--report",
            type=Path,
            default=settings.VAR / "import-events-report.csv",
            help="CSV file for all rows that are refused, with reasons.",
        )
        parser.add_argument("--strict", action="store_true", help="Fail when a row was refused.")

    def handle(self, file: Path, source: str | None, report: Path, strict: bool, **options):
        try:
            with progress_bar("Importing events") as progress, refusals_written(report) as outcome:
                import_events(
                    file,
                    source=source,
                    now=timezone.now(),
                    progress=lambda done: progress(done, None),
                    report=outcome,
                )
        except (Invalid, OSError) as error:
            raise CommandError(str(error)) from None
        self._print(outcome)
        if outcome.refused_count:
            self.stdout.write(f"All refused rows, with reasons: {report}")
            if strict:
                raise CommandError(f"{outcome.refused_count} rows were refused.")

    def _print(self, report: EventImportReport) -> None:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(report.counts.items()))
        for remark in report.remarks:
            self.stdout.write(remark)
        self.stdout.write(counts or "The file holds no events.")
        if not report.refused:
            return
        table = Table("row", "event_id", "reason", title="Refused rows (the first few)")
        for number, _, event_id, _, reason in report.refused:
            table.add_row(str(number), event_id, reason)
        Console(file=cast(TextIO, self.stdout._out)).print(table)
