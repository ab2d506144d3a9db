import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from listings.errors import DomainError
from listings.importing.adverts import ImportOptions
from listings.importing.columns import checked_mapping
from listings.importing.listing_import import Progress as ImportProgress
from listings.importing.listing_import import import_adverts
from listings.importing.report import ImportReport, import_report


def _price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not price.is_finite() or price < 0:
        raise ValueError(text)
    return price


def _seller_count(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


class Command(BaseCommand):
    help = (
        "Import adverts from a folder with Products.csv, and perhaps Images.csv and images_fb.zip or a "
        "folder of photos; or from one file, as CSV, JSON lines (what export_listings writes) or Parquet. "
        "A second run updates what changed and creates nothing twice."
    )

    def add_arguments(self, parser):
        parser.add_argument("source", type=Path, metavar="DIR_OR_FILE")
        parser.add_argument(
            "--sellers",
            type=_seller_count,
            default=2000,
            help="Number of synthetic sellers that adverts are assigned to.",
        )
        parser.add_argument("--maximum-price", type=_price, default=settings.ENVIRONMENT.maximum_price)
        parser.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="COLUMN=NAME",
            help="What the file calls a column of the API, such as title=Headline. May be repeated.",
        )
        parser.add_argument("--encoding", help="That of the files, where it is recognised wrongly.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Report what would be imported, without writing anything."
        )
        parser.add_argument(
            "--report",
            type=Path,
            default=settings.VAR / "import-report.csv",
            help="CSV file for the rows that are left out, with reasons.",
        )

    def handle(self, *, source: Path, report: Path, **options):
        if not source.exists():
            raise CommandError(f"{source} is neither a folder nor a file.")
        console, began_at = self._console(), time.monotonic()
        try:
            with import_report(report) as outcome:
                self._import(source, self._options(options), outcome, console)
        except DomainError as error:
            raise CommandError(error.detail) from None
        self._show(outcome, console, seconds=time.monotonic() - began_at)
        console.print(f"Rows that were left out, with reasons: {report}", soft_wrap=True)
        if options["dry_run"]:
            console.print("This was a dry run: nothing but that report was written.")

    def _console(self) -> Console:
        self.stdout.ending = ""  # rich ends its lines itself
        return Console(file=cast(IO[str], self.stdout))

    def _options(self, options: dict) -> ImportOptions:
        return ImportOptions(
            maximum_price=options["maximum_price"],
            country=settings.ENVIRONMENT.country,
            currency=settings.ENVIRONMENT.currency,
            seller_count=options["sellers"],
            dry_run=options["dry_run"],
            columns=checked_mapping(options["column"]),
            encoding=options["encoding"],
        )

    def _import(self, source: Path, options: ImportOptions, report: ImportReport, console: Console) -> None:
        columns = TextColumn("Importing adverts"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("", total=None)
            progress = ImportProgress(
                start=lambda total: bar.update(task, total=total),
                advance=lambda number: bar.advance(task, number),
            )
            import_adverts(source, options, report, progress)

    def _show(self, report: ImportReport, console: Console, *, seconds: float) -> None:
        report.show(console)
        console.print(
            f"{report.placed_count:,} of {report.imported_count:,} imported adverts have a place. "
            f"The import took {seconds:.0f} s."
        )
