from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from listings.errors import DomainError
from recommendations.analysis import experiment_report
from recommendations.analysis.experiment_outcomes import ExperimentOutcome, read_outcome
from recommendations.analysis.rendering import print_report, write_json

PLAIN_WIDTH = 140  # characters, where stdout is not a terminal


class Command(BaseCommand):
    help = (
        "Report the outcomes of an experiment so far: for each variant the number of actors and listings "
        "served, and the rates of views, clicks, favourites and purchases that followed, with intervals and "
        "differences from the control. Warns of a sample ratio mismatch. Changes nothing."
    )

    def add_arguments(self, parser):
        parser.add_argument("name", metavar="NAME", help="name of the experiment, as in the admin")
        parser.add_argument(
            "--output", type=Path, metavar="DIR", help="write experiment.json and .png into a folder"
        )

    def handle(self, name: str, *, output: Path | None, **options):
        try:
            if output:
                output.mkdir(parents=True, exist_ok=True)
            outcome = read_outcome(name, now=timezone.now())
            sentences, tables = experiment_report.sentences(outcome), experiment_report.tables(outcome)
            print_report(self.stdout, sentences, tables, experiment_report.footnote(), width=PLAIN_WIDTH)
            if output:
                self._write(outcome, output)
        except DomainError as error:
            raise CommandError(error.detail) from None
        except OSError as error:
            raise CommandError(f"The results cannot be written: {error}") from None

    def _write(self, outcome: ExperimentOutcome, folder: Path) -> None:
        figures, chart = folder / "experiment.json", folder / "experiment.png"
        write_json(outcome, figures)
        experiment_report.draw(outcome, chart)
        for path in (figures, chart):
            self.stdout.write(f"Written: {path}")
