from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from listings.errors import DomainError
from recommendations import model_store
from recommendations.progress import progress_bar
from recommendations.training import train_collaborative
from recommendations.tuning import BUDGET_MIN, Tried


class Command(BaseCommand):
    help = (
        "Train a model on what is in the database, compare it on the last tenth of the events with the model "
        "that serves and with what is popular, and publish it unless it is worse. Exits with status 1, and "
        "leaves the model before serving, when it is worse, when there is too little to learn from, or when "
        "another process is training."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "kind",
            choices=["collaborative"],
            help="collaborative: ALS, co-visitation and content prior from the interactions",
        )
        parser.add_argument(
            "--wait", action="store_true", help="wait for a training that is under way, then train"
        )
        instead = parser.add_mutually_exclusive_group()
        instead.add_argument("--force", action="store_true", help="publish it even if it is worse")
        instead.add_argument(
            "--rollback",
            action="store_true",
            help="do not train: serve the model before again",
        )
        instead.add_argument("--list", action="store_true", help="do not train: show what was trained so far")
        parser.add_argument(
            "--tune", action="store_true", help="first search for better ALS parameters, which are then kept"
        )
        parser.add_argument(
            "--budget",
            type=_minutes,
            metavar="MINUTES",
            help=f"how long --tune may search (default: {BUDGET_MIN:g}); a fit that was begun is finished",
        )

    def handle(self, *, rollback: bool, tune: bool, budget: float | None, **options):
        if budget is not None and not tune:
            raise CommandError("--budget says how long --tune may search; it needs --tune.")
        if tune and (rollback or options["list"]):
            raise CommandError("--tune is for a training; it goes with neither --rollback nor --list.")
        if options["list"]:
            self._list()
        elif rollback:
            self._roll_back()
        else:
            self._train(
                force=options["force"],
                wait=options["wait"],
                tune_for_s=60 * (budget or BUDGET_MIN) if tune else None,
            )

    def _train(self, **how) -> None:
        try:
            model = train_collaborative(now=timezone.now(), steps=self._step, report=self._report, **how)
        except DomainError as error:
            raise CommandError(error.detail) from None
        except OSError as error:
            raise CommandError(f"The model cannot be written: {error}. The model before serves on.") from None
        metrics = model.metrics
        self.stdout.write(
            f"Trained {model} on {metrics['events']} events of {metrics['actors']} actors with "
            f"{metrics['listings']} listings. {model.verdict} It serves now."
        )

    @contextmanager
    def _step(self, name: str) -> Iterator:
        self.stdout.write(f"{name} ...")
        with progress_bar(name) as progress:
            yield progress

    def _report(self, tried: Tried) -> None:
        recipe = tried.recipe
        self.stdout.write(
            f"Trial {tried.number}: NDCG@20 {tried.ndcg:.4f} with {recipe.factors} factors, "
            f"alpha {recipe.alpha:g}, regularisation {recipe.regularisation:g}, "
            f"{recipe.iterations} iterations"
        )

    def _roll_back(self) -> None:
        try:
            model = model_store.rollback(now=timezone.now())
        except DomainError as error:
            raise CommandError(error.detail) from None
        self.stdout.write(f"{model} serves again. The next training may replace it.")

    def _list(self) -> None:
        if not model_store.trainings().exists():
            self.stdout.write("Nothing was trained yet.")
        for model in model_store.trainings().order_by("-pk"):
            trained = timezone.localtime(model.created_at)
            left = " (rolled back)" if model_store.ROLLED_BACK in model.metrics else ""
            events = f"{model.metrics.get('events', '?')} events"
            self.stdout.write(f"{model.version}  {trained:%Y-%m-%d %H:%M}  {model.status}{left}, {events}")
            for line in filter(None, (model.verdict, model.problem)):
                self.stdout.write(f"    {line}")


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0
    if not 0 < minutes < 24 * 60:
        raise ArgumentTypeError("a number of minutes above 0 and below a day")
    return minutes
