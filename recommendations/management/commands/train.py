from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from listings.errors import DomainError
from recommendations.collaborative import store
from recommendations.core.progress import progress_bar
from recommendations.encoders.manifest import EncoderUnavailable
from recommendations.model_registry.publication import ROLLED_BACK
from recommendations.models.trained_models import TrainedModel
from recommendations.ranker import store as ranker_store
from recommendations.training import backbone, encoder
from recommendations.training.collaborative import train_collaborative
from recommendations.training.ranker import train_ranker
from recommendations.training.tuning import BUDGET_MIN, TuningTrial

KINDS = {
    "collaborative": "ALS, co-visitation and content prior from the interactions: fitted, compared on the "
    "last tenth of the events with the active model and with popularity, and published unless it is worse",
    "encoder": "the heads that map photos and texts of listings into one space: trained on stored features, "
    "compared with the active encoder on held-out listings, and published unless it is worse; then every "
    "listing is embedded again in the background",
    "backbone": "a small backbone without pretrained weights, on the catalogue's own photos: for a machine "
    "that has no pretrained weights",
    "ranker": "the order of the feed, learned from the slates that were served and the interactions that "
    "followed: published only if on the last fifth of them it beats the blend significantly",
}


class Command(BaseCommand):
    help = (
        "Train a model on the data in the database and publish it. Exits with status 1, and the active model "
        "stays, when the new model is worse, when there is too little data, or when another process is "
        "training the same kind. `train KIND --help` shows the options of each kind."
    )

    def add_arguments(self, parser):
        kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
        add = {
            "collaborative": _collaborative,
            "encoder": _encoder,
            "backbone": _backbone,
            "ranker": _ranker,
        }
        for name, about in KINDS.items():
            add[name](kinds.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}."))

    def handle(self, *, kind: str, **options):
        train: dict[str, Callable[..., None]] = {
            "collaborative": self._collaborative,
            "encoder": self._encoder,
            "backbone": self._backbone,
            "ranker": self._ranker,
        }
        try:
            train[kind](**options)
        except (DomainError, EncoderUnavailable) as error:
            raise CommandError(getattr(error, "detail", str(error))) from None
        except OSError as error:
            raise CommandError(
                f"The model cannot be written: {error}. The previous model keeps serving."
            ) from None

    def _collaborative(self, *, rollback: bool, tune: bool, budget: float | None, **options) -> None:
        if budget is not None and not tune:
            raise CommandError("--budget limits the search of --tune: give --tune too.")
        if tune and (rollback or options["list"]):
            raise CommandError("--tune cannot be combined with --rollback or --list.")
        if options["list"]:
            self._list(TrainedModel.Kind.COLLABORATIVE)
        elif rollback:
            model = store.rollback(now=timezone.now())
            self.stdout.write(f"{model} serves again. The next training may replace it.")
        else:
            self._train(
                force=options["force"],
                wait=options["wait"],
                tune_for_s=60 * (budget or BUDGET_MIN) if tune else None,
            )

    def _encoder(self, *, finetune: bool, force: bool, **options) -> None:
        chosen = [name for name in FINETUNING if options[name] is not None]
        if chosen and not finetune:
            raise CommandError(f"--{chosen[0].replace('_', '-')} needs --finetune, which is not given.")
        if finetune and options["list"]:
            raise CommandError("--finetune cannot be combined with --list.")
        if options["list"]:
            self._list(TrainedModel.Kind.ENCODER)
            return
        now = timezone.now()
        record = self._finetuned(now, **{name: options[name] for name in chosen}) if finetune else None
        model = encoder.train_encoder(
            now=now, force=force, record=record, steps=self._step, report=self._print_epoch
        )
        self.stdout.write(
            f"Trained {model} on {model.metrics['listings']} listings with {model.metrics['photos']} photos. "
            f"{model.verdict} {self._next_step(model)}"
        )

    def _next_step(self, model: TrainedModel) -> str:
        if model.status == TrainedModel.Status.ACTIVE:
            return "It serves now."
        return (
            "Listings are embedded again in the background; it serves once all are. `manage.py embed` does "
            "the same and waits until it is done."
        )

    def _finetuned(self, now, **overrides):
        from ml.vision.classifier_training import FineTuningOptions
        from recommendations.training.finetuning import finetune_backbone

        chosen = FINETUNING | overrides
        options = FineTuningOptions(
            optimiser=chosen["optimiser"],
            learning_rate=RATES[chosen["optimiser"]],
            epoch_count=chosen["epochs"],
            image_size=chosen["image_size"],
            unfrozen_blocks=chosen["unfrozen_blocks"],
        )
        return finetune_backbone(
            options, now=now, steps=self._step, report=self._print_finetuning_epoch, say=self.stdout.write
        )

    def _backbone(self, *, minutes: float, **options) -> None:
        model = backbone.train_backbone(minutes=minutes, say=self.stdout.write)
        self.stdout.write(f"The next encoder is {model}. {self._next_step(model)}")

    def _ranker(self, *, force: bool, wait: bool, rollback: bool, **options) -> None:
        now = timezone.now()
        if options["list"]:
            self._list(TrainedModel.Kind.RANKER)
        elif rollback:
            model = ranker_store.rollback(now=now)
            now_active = (
                f"{model} serves again" if model else "There is no earlier ranker: the blend serves again"
            )
            self.stdout.write(f"{now_active}. The next training may replace it.")
        else:
            model = train_ranker(now=now, force=force, wait=wait, steps=self._step)
            metrics = model.metrics
            self.stdout.write(
                f"Trained {model} on {metrics['slates']} slates of {metrics['actors']} actors. "
                f"{model.verdict} It serves now."
            )

    def _print_epoch(self, epoch) -> None:
        self.stdout.write(
            f"Epoch {epoch.number}: category by photo {epoch.photo_accuracy:.1%}, by words "
            f"{epoch.words_accuracy:.1%}, by both {epoch.both_accuracy:.1%}; a listing's photo by its title "
            f"{epoch.words_to_photo:.1%} and by its other photo {epoch.sibling:.1%} among the first ten"
        )

    def _print_finetuning_epoch(self, epoch) -> None:
        self.stdout.write(
            f"Epoch {epoch.number}: loss {epoch.loss:.3f}, category by photo {epoch.accuracy:.1%}"
        )

    def _train(self, **options) -> None:
        model = train_collaborative(now=timezone.now(), steps=self._step, report=self._print_trial, **options)
        metrics = model.metrics
        for root, km in metrics["decays_km"].items():
            self.stdout.write(f"In {root} nearness falls to a third within {km:g} km.")
        self.stdout.write(
            f"Trained {model} on {metrics['events']} events of {metrics['actors']} actors with "
            f"{metrics['listings']} listings. {model.verdict} It serves now."
        )

    @contextmanager
    def _step(self, name: str) -> Iterator:
        self.stdout.write(f"{name} ...")
        with progress_bar(name) as progress:
            yield progress

    def _print_trial(self, tried: TuningTrial) -> None:
        recipe = tried.recipe
        self.stdout.write(
            f"Trial {tried.number}: NDCG@20 {tried.ndcg:.4f} with {recipe.factors} factors, "
            f"alpha {recipe.alpha:g}, regularisation {recipe.regularisation:g}, "
            f"{recipe.iterations} iterations"
        )

    def _list(self, kind: str) -> None:
        models = TrainedModel.objects.filter(kind=kind)
        if not models.exists():
            self.stdout.write("Nothing was trained yet.")
        for model in models.order_by("-pk"):
            trained = timezone.localtime(model.created_at)
            left = " (rolled back)" if ROLLED_BACK in model.metrics else ""
            size = next(
                (f", {model.metrics[n]} {n}" for n in ("events", "listings", "slates") if n in model.metrics),
                "",
            )
            self.stdout.write(f"{model.version}  {trained:%Y-%m-%d %H:%M}  {model.status}{left}{size}")
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


def _count(least: int) -> Callable[[str], int]:
    """A parser of whole numbers from `least`."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise ArgumentTypeError(f"a whole number from {least}")
        return number

    return parse


RATES = {"adamw": 1e-4, "sgd": 1e-2}
# Defaults of --finetune.
FINETUNING: dict[str, Any] = {"optimiser": "adamw", "epochs": 5, "image_size": 192, "unfrozen_blocks": None}


def _add_rollback_options(parser: ArgumentParser, *, refused_if: str, before: str) -> None:
    """Add the options of models that can be rolled back."""
    parser.add_argument("--wait", action="store_true", help="wait until another training ends, then train")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--force", action="store_true", help=f"publish it even if it is {refused_if}")
    instead.add_argument("--rollback", action="store_true", help=f"do not train: serve {before} again")
    instead.add_argument("--list", action="store_true", help="do not train: list the trainings so far")


def _ranker(parser: ArgumentParser) -> None:
    _add_rollback_options(
        parser, refused_if="not better", before="the previous ranker, or without one the blend,"
    )


def _collaborative(parser: ArgumentParser) -> None:
    _add_rollback_options(parser, refused_if="worse", before="the previous model")
    parser.add_argument(
        "--tune", action="store_true", help="first search for better ALS hyperparameters, which are kept"
    )
    parser.add_argument(
        "--budget",
        type=_minutes,
        metavar="MINUTES",
        help=f"time limit of --tune (default: {BUDGET_MIN:g}); a trial that has begun is finished",
    )


def _encoder(parser: ArgumentParser) -> None:
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--force", action="store_true", help="publish it even if it is worse")
    instead.add_argument("--list", action="store_true", help="do not train: list the trainings so far")
    parser.add_argument(
        "--finetune",
        action="store_true",
        help="first fine-tune the backbone on the catalogue's photos (minutes per thousand photos on a CPU; "
        "an interrupted run continues); then the features of all photos are computed again",
    )
    parser.add_argument(
        "--optimiser", choices=list(RATES), help=f"of --finetune (default: {FINETUNING['optimiser']})"
    )
    parser.add_argument("--epochs", type=_count(1), help=f"of --finetune (default: {FINETUNING['epochs']})")
    parser.add_argument(
        "--image-size",
        type=_count(32),
        help=f"pixels, of --finetune (default: {FINETUNING['image_size']})",
    )
    parser.add_argument(
        "--unfrozen-blocks",
        type=_count(0),
        help="how many of the last blocks --finetune trains (default: all)",
    )


def _backbone(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--minutes",
        type=_minutes,
        default=backbone.DEFAULT_MINUTES,
        help="time limit (default: %(default)g)",
    )
