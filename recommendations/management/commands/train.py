from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from listings.errors import DomainError
from recommendations import backbone_training, encoder_training, model_store, ranker_store
from recommendations.encoder_records import EncoderUnavailable
from recommendations.model_registry import ROLLED_BACK
from recommendations.models import TrainedModel
from recommendations.progress import progress_bar
from recommendations.ranker_training import train_ranker
from recommendations.training import train_collaborative
from recommendations.tuning import BUDGET_MIN, Tried

KINDS = {
    "collaborative": "ALS, co-visitation and content prior from the interactions: fitted, compared on the "
    "last tenth of the events with the model that serves and with what is popular, and published unless it "
    "is worse",
    "encoder": "the heads that bring photos and words of listings into one space: trained on stored "
    "features, compared with the encoder that serves on listings neither has learned from, and published "
    "unless it is worse; then every listing is embedded anew in the background",
    "backbone": "a small backbone from nothing, on the catalogue's own photos: for a machine that has no "
    "pretrained weights",
    "ranker": "the order of the feed, learned from the slates that were served and what followed from them: "
    "published only if on the last fifth of them it beats the blend by more than chance",
}


class Command(BaseCommand):
    help = (
        "Train a model on what is in the database and publish it. Exits with status 1, and leaves what "
        "serves as it is, when the model is worse, when there is too little to learn from, or when another "
        "process is training the same. `train KIND --help` tells the options of each kind."
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
        train = {
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
            raise CommandError("--budget says how long --tune may search; it needs --tune.")
        if tune and (rollback or options["list"]):
            raise CommandError("--tune is for a training; it goes with neither --rollback nor --list.")
        if options["list"]:
            self._list(TrainedModel.Kind.COLLABORATIVE)
        elif rollback:
            model = model_store.rollback(now=timezone.now())
            self.stdout.write(f"{model} serves again. The next training may replace it.")
        else:
            self._train(
                force=options["force"],
                wait=options["wait"],
                tune_for_s=60 * (budget or BUDGET_MIN) if tune else None,
            )

    def _encoder(self, *, finetune: bool, force: bool, **options) -> None:
        given = [name for name in FINETUNING if options[name] is not None]
        if given and not finetune:
            raise CommandError(f"--{given[0].replace('_', '-')} is for --finetune, which is not given.")
        if finetune and options["list"]:
            raise CommandError("--finetune is for a training; it does not go with --list.")
        if options["list"]:
            self._list(TrainedModel.Kind.ENCODER)
            return
        now = timezone.now()
        record = self._finetuned(now, **{name: options[name] for name in given}) if finetune else None
        model = encoder_training.train_encoder(
            now=now, force=force, record=record, steps=self._step, report=self._tell_epoch
        )
        self.stdout.write(
            f"Trained {model} on {model.metrics['listings']} listings with {model.metrics['photos']} photos. "
            f"{model.verdict} {self._what_now(model)}"
        )

    def _what_now(self, model: TrainedModel) -> str:
        if model.status == TrainedModel.Status.ACTIVE:
            return "It serves now."
        return (
            "Listings are embedded anew in the background; it serves once all are. `manage.py embed` does "
            "the same and waits for it."
        )

    def _finetuned(self, now, **given):
        from ml.finetuning import FineTuningOptions
        from recommendations.encoder_finetuning import finetune_backbone

        chosen = FINETUNING | given
        options = FineTuningOptions(
            optimiser=chosen["optimiser"],
            learning_rate=RATES[chosen["optimiser"]],
            epoch_count=chosen["epochs"],
            image_size=chosen["image_size"],
            unfrozen_blocks=chosen["unfrozen_blocks"],
        )
        return finetune_backbone(
            options, now=now, steps=self._step, report=self._tell_finetuning, say=self.stdout.write
        )

    def _backbone(self, *, minutes: float, **options) -> None:
        model = backbone_training.train_backbone(minutes=minutes, say=self.stdout.write)
        self.stdout.write(f"The next encoder is {model}. {self._what_now(model)}")

    def _ranker(self, *, force: bool, wait: bool, rollback: bool, **options) -> None:
        now = timezone.now()
        if options["list"]:
            self._list(TrainedModel.Kind.RANKER)
        elif rollback:
            model = ranker_store.rollback(now=now)
            what = f"{model} serves again" if model else "There is no ranker before: the blend serves again"
            self.stdout.write(f"{what}. The next training may replace it.")
        else:
            model = train_ranker(now=now, force=force, wait=wait, steps=self._step)
            metrics = model.metrics
            self.stdout.write(
                f"Trained {model} on {metrics['slates']} slates of {metrics['actors']} actors. "
                f"{model.verdict} It serves now."
            )

    def _tell_epoch(self, epoch) -> None:
        self.stdout.write(
            f"Epoch {epoch.number}: category by photo {epoch.photo_accuracy:.1%}, by words "
            f"{epoch.words_accuracy:.1%}, by both {epoch.both_accuracy:.1%}; a listing's photo by its title "
            f"{epoch.words_to_photo:.1%} and by its other photo {epoch.sibling:.1%} among the first ten"
        )

    def _tell_finetuning(self, epoch) -> None:
        self.stdout.write(
            f"Epoch {epoch.number}: loss {epoch.loss:.3f}, category by photo {epoch.accuracy:.1%}"
        )

    def _train(self, **how) -> None:
        model = train_collaborative(now=timezone.now(), steps=self._step, report=self._report, **how)
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

    def _report(self, tried: Tried) -> None:
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
            told = next(
                (f", {model.metrics[n]} {n}" for n in ("events", "listings", "slates") if n in model.metrics),
                "",
            )
            self.stdout.write(f"{model.version}  {trained:%Y-%m-%d %H:%M}  {model.status}{left}{told}")
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
    """What takes whole numbers from `least`."""

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
# What --finetune does unless told otherwise.
FINETUNING = {"optimiser": "adamw", "epochs": 5, "image_size": 192, "unfrozen_blocks": None}


def _registered(parser: ArgumentParser, *, refused_if: str, before: str) -> None:
    """What models that can be gone back from take."""
    parser.add_argument(
        "--wait", action="store_true", help="wait for a training that is under way, then train"
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--force", action="store_true", help=f"publish it even if it is {refused_if}")
    instead.add_argument("--rollback", action="store_true", help=f"do not train: serve {before} again")
    instead.add_argument("--list", action="store_true", help="do not train: show what was trained so far")


def _ranker(parser: ArgumentParser) -> None:
    _registered(parser, refused_if="not better", before="the ranker before, or else the blend,")


def _collaborative(parser: ArgumentParser) -> None:
    _registered(parser, refused_if="worse", before="the model before")
    parser.add_argument(
        "--tune", action="store_true", help="first search for better ALS parameters, which are then kept"
    )
    parser.add_argument(
        "--budget",
        type=_minutes,
        metavar="MINUTES",
        help=f"how long --tune may search (default: {BUDGET_MIN:g}); a fit that was begun is finished",
    )


def _encoder(parser: ArgumentParser) -> None:
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--force", action="store_true", help="publish it even if it is worse")
    instead.add_argument("--list", action="store_true", help="do not train: show what was trained so far")
    parser.add_argument(
        "--finetune",
        action="store_true",
        help="first fine-tune the backbone on the catalogue's photos (minutes a thousand photos on a CPU; a "
        "run that was broken off goes on where it was); then all photos are looked at again",
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
        help="how many of the last blocks --finetune changes (default: all)",
    )


def _backbone(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--minutes",
        type=_minutes,
        default=backbone_training.USUAL_MINUTES,
        help="how long it may train (default: %(default)g)",
    )
