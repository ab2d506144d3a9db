"""Choice of the image backbone and its weights: a given file, torchvision's, or a training on drawings."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from listings.errors import Invalid
from recommendations.core.progress import progress_bar

if TYPE_CHECKING:
    from ml.vision.backbone import Backbone

DRAWN_PHOTO_COUNT = 1560
DRAWN_TRAINING_S = 75.0  # of the 90 s that the choice of a backbone may take
SEED = 11


@dataclass(frozen=True)
class BackboneChoice:
    """A backbone by torchvision's name, the file of its weights, and their origin in words."""

    backbone: str
    weights: Path
    source: str


class BadBackboneSetting(Invalid):
    """IMAGE_BACKBONE or IMAGE_WEIGHTS cannot be used. The message is one line that says which."""


def choose(say: Callable[[str], None]) -> tuple[BackboneChoice, "Backbone"]:
    """Choose a backbone and load it.   say: called with lines for the user. Raises BadBackboneSetting."""
    from ml.vision.backbone import load_backbone
    from ml.vision.weights import BadBackbone, WeightsError

    try:
        choice = _choose(say)
        return choice, load_backbone(choice.backbone, choice.weights)
    except BadBackbone as error:
        name = settings.ENVIRONMENT.image_backbone
        accepted = f"a classifier of torchvision ({error})"
        raise BadBackboneSetting(f'IMAGE_BACKBONE: found "{name}"; accepted: {accepted}.') from None
    except WeightsError as error:
        raise BadBackboneSetting(f"IMAGE_WEIGHTS: found {error}.") from None


def _choose(say: Callable[[str], None]) -> BackboneChoice:
    """IMAGE_WEIGHTS, else one attempt at torchvision's download, else a small backbone trained here."""
    from ml.vision.weights import WeightsUnavailable, require_classifier

    name = settings.ENVIRONMENT.image_backbone
    require_classifier(name)
    if (file := settings.ENVIRONMENT.image_weights) is not None:
        return BackboneChoice(name, file, f"{name} with the weights in {file.name}, from IMAGE_WEIGHTS")
    try:
        return _downloaded(name)
    except WeightsUnavailable as error:
        say(f"No pretrained weights ({error}); a small backbone is trained on drawn photos instead.")
        return _drawn()


def _downloaded(name: str) -> BackboneChoice:
    from ml.vision.weights import WeightsUnavailable, fetch_weights

    timeout_s = settings.ENVIRONMENT.weights_download_timeout_s
    if not timeout_s:
        raise WeightsUnavailable("WEIGHTS_DOWNLOAD_TIMEOUT_S is 0")
    file = fetch_weights(name, timeout_s=timeout_s)
    return BackboneChoice(name, file, f"{name} with torchvision's pretrained weights")


def _drawn() -> BackboneChoice:
    """A small backbone trained on drawn photos, which distinguishes little more than shapes and colours."""
    from listings.demo.drawings import labelled_drawings
    from ml.vision.small_backbone import train_small_backbone

    file = settings.MODEL_ROOT / "backbone" / f"drawn-{SEED}-{DRAWN_PHOTO_COUNT}.safetensors"
    if not file.is_file():
        pictures, labels = zip(*labelled_drawings(DRAWN_PHOTO_COUNT, seed=SEED), strict=True)
        with progress_bar("Training a small backbone") as progress:
            train_small_backbone(
                pictures, labels, file, seconds=DRAWN_TRAINING_S, seed=SEED, progress=progress
            )
    from ml.vision.weights import read_weights

    name = read_weights(file).name
    return BackboneChoice(name, file, f"{name} trained here on {DRAWN_PHOTO_COUNT} drawn photos")
