from pathlib import Path
from typing import TextIO, cast

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from listings.errors import Invalid
from recommendations.core.progress import progress_bar
from recommendations.interactions.import_files import SOURCE, EventImportReport, import_events


class Command(BaseCommand):
    help = (
        "Import events from a CSV or JSON lines file (also .gz) with event_id, occurred_at, actor, listing, "
        "kind and optionally slate, position and source, which vouches for the event. Safe to repeat: no "
        "event is added twice."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--source",
            metavar="NAME",
            help=f"the source of all events, instead of the file's (default: the file's, or else {SOURCE})",
        )

    def handle(self, file: Path, source: str | None, **options):
        try:
            with progress_bar("Importing events") as progress:
                report = import_events(
                    file, source=source, now=timezone.now(), progress=lambda done: progress(done, None)
                )
        except (Invalid, OSError) as error:
            raise CommandError(str(error)) from None
        self._print(report)

    def _print(self, report: EventImportReport) -> None:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(report.counts.items()))
        self.stdout.write(counts or "The file holds no events.")
        if not report.refused:
            return
        table = Table("row", "event_id", "reason", title="Refused rows (the first few)")
        for number, event_id, reason in report.refused:
            table.add_row(str(number), event_id, reason)
        Console(file=cast(TextIO, self.stdout._out)).print(table)
