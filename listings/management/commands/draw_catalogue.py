import argparse
from typing import IO, cast

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from listings.demo.catalogue import draw_catalogue
from listings.errors import DomainError


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"found {text}; accepted: a number of 1 or more")
    return number


class Command(BaseCommand):
    help = "Publish a demo catalogue of drawn listings. A second run adds nothing."

    def add_arguments(self, parser):
        parser.add_argument("--count", type=_count, default=780, help="Number of listings.")
        parser.add_argument("--seed", type=int, default=1, help="Each seed adds a catalogue of its own.")

    def handle(self, *, count: int, seed: int, **options):
        columns = TextColumn("Drawing listings"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self.stdout.ending = ""  # rich ends its lines itself
        with Progress(*columns, console=Console(file=cast(IO[str], self.stdout))) as bar:
            task = bar.add_task("", total=count)
            try:
                draw_catalogue(
                    count=count,
                    seed=seed,
                    now=timezone.now(),
                    advance=lambda number: bar.advance(task, number),
                )
            except DomainError as error:
                raise CommandError(error.detail) from None
        self.stdout.write(f"{count:,} drawn listings are on the market.\n")
