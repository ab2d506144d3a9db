"""Choice of the image backbone and its weights: a file, a package's, torchvision's, or taught on drawings."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from listings.errors import Invalid
from recommendations.core.progress import progress_bar

if TYPE_CHECKING:
    from ml.vision.backbone import Backbone

DRAWN = "drawn"  # as IMAGE_BACKBONE: a small backbone trained on drawn photos
PACKAGED = "efficientnet_lite2"  # the default, installed with the requirements
DRAWN_PHOTO_COUNT = 1560
DRAWN_TRAINING_S = 75.0  # of the 90 s that the choice of a backbone may take
SEED = 11


@dataclass(frozen=True)
class BackboneChoice:
    """A backbone by name, the file of its weights (None: its package's), and their origin in words."""

    backbone: str
    weights: Path | None
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
        accepted = f"efficientnet_lite2, drawn, or a classifier of torchvision ({error})"
        raise BadBackboneSetting(f'IMAGE_BACKBONE: found "{name}"; accepted: {accepted}.') from None
    except WeightsError as error:
        setting = "IMAGE_WEIGHTS" if settings.ENVIRONMENT.image_weights else "IMAGE_BACKBONE"
        raise BadBackboneSetting(f"{setting}: found {error}.") from None


def _choose(say: Callable[[str], None]) -> BackboneChoice:
    """IMAGE_WEIGHTS, else pretrained weights of the backbone asked for, else the packaged one, else drawn."""
    from ml.vision.weights import WeightsUnavailable, require_classifier

    name = settings.ENVIRONMENT.image_backbone
    if name == DRAWN:
        return _drawn()
    require_classifier(name)
    if (file := settings.ENVIRONMENT.image_weights) is not None:
        return BackboneChoice(name, file, f"{name} with the weights in {file.name}, from IMAGE_WEIGHTS")
    for pretrained, instead in ((name, PACKAGED), (PACKAGED, "a small backbone trained on drawn photos")):
        try:
            return _pretrained(pretrained)
        except WeightsUnavailable as error:
            if pretrained != instead:
                say(f"No pretrained weights of {pretrained} ({error}); {instead} is used instead.")
    return _drawn()


def _pretrained(name: str) -> BackboneChoice:
    """A backbone with the weights of its package, else torchvision's.   Raises WeightsUnavailable."""
    from ml.vision.classifiers import PACKAGED as IN_PACKAGES
    from ml.vision.weights import WeightsUnavailable, fetch_weights, packaged_file

    if name in IN_PACKAGES:
        packaged_file(name)
        return BackboneChoice(name, None, f"{name} with the pretrained weights of its package")
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
