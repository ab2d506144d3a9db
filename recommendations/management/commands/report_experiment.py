import json
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from listings.errors import DomainError
from recommendations import experiment_report
from recommendations.experiment_outcomes import Outcome, outcome_of

PLAIN_WIDTH = 140  # where the tables go to a file


class Command(BaseCommand):
    help = (
        "What came of an experiment so far: for each variant how many actors and listings were served, "
        "and how often views, clicks, favourites and purchases followed, with intervals and differences to "
        "the control. Warns where actors are not divided as they should be. Changes nothing."
    )

    def add_arguments(self, parser):
        parser.add_argument("name", metavar="NAME", help="of an experiment, as the admin lists it")
        parser.add_argument(
            "--output", type=Path, metavar="DIR", help="write experiment.json and .png into a folder"
        )

    def handle(self, name: str, *, output: Path | None, **options):
        try:
            if output:
                output.mkdir(parents=True, exist_ok=True)
            found = outcome_of(name, now=timezone.now())
            self._show(found)
            if output:
                self._write(found, output)
        except DomainError as error:
            raise CommandError(error.detail) from None
        except OSError as error:
            raise CommandError(f"The results cannot be written: {error}") from None

    def _show(self, found: Outcome) -> None:
        out = self.stdout._out
        console = Console(file=out) if out.isatty() else Console(file=out, width=PLAIN_WIDTH)
        for sentence in experiment_report.sentences(found):
            console.print(sentence, highlight=False, markup=False)
        for table in experiment_report.tables(found):
            console.print(table)
        console.print(experiment_report.footnote(), highlight=False, markup=False)

    def _write(self, found: Outcome, folder: Path) -> None:
        figures = folder / "experiment.json"
        figures.write_text(json.dumps(found.to_json(), indent=1) + "\n")
        chart = folder / "experiment.png"
        experiment_report.draw(found, chart)
        for path in (figures, chart):
            self.stdout.write(f"Written: {path}")
