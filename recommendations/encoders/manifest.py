"""Manifest of an encoder in the registry: its backbone, the origin of its weights, and its space."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from recommendations.model_registry import artifacts
from recommendations.model_registry.artifacts import ModelDamaged
from recommendations.models.trained_models import TrainedModel

CHOOSE = "Choose again with `manage.py embed`."
TRAIN = "Train again with `manage.py train encoder`."


class EncoderUnavailable(Exception):
    """No encoder was chosen yet, or its files are missing or damaged. The message names the remedy."""


@dataclass(frozen=True)
class EncoderManifest:
    """The manifest as stored. A trained space has a folder; an untrained one is derived from seeds."""

    requested: str  # IMAGE_BACKBONE and IMAGE_WEIGHTS when the encoder was chosen
    backbone: str
    weights: str  # the file; empty when it is the one of the backbone's package
    source: str  # origin of the weights, in words
    projection: dict[str, Any]  # the space: its kind, its blocks and its inputs
    parts: tuple[int, ...] = ()  # number of features from each stage of the backbone

    @property
    def is_trained(self) -> bool:
        return self.projection["kind"] != "projection"

    @property
    def weights_file(self) -> Path | None:
        """None stands for the file of the backbone's package, wherever that is installed."""
        return Path(self.weights) if self.weights else None

    @classmethod
    def read(cls, model: TrainedModel) -> "EncoderManifest":
        """The manifest of an encoder. Raises EncoderUnavailable."""
        try:
            values = _read_folder(model) if _is_folder(model) else _read_file(model)
        except (OSError, ModelDamaged) as error:
            remedy = TRAIN if _is_folder(model) else CHOOSE
            raise EncoderUnavailable(f"{error}. {remedy}") from None
        return cls(**{**values, "parts": tuple(values.get("parts", ()))})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def checked_folder(model: TrainedModel) -> Path:
    """The folder of a trained space, after a check of its files' digests. Raises EncoderUnavailable."""
    try:
        about = artifacts.read_model_manifest(model.path, model.sha256)
        return artifacts.verify_files(model.path, about, about["files"])
    except ModelDamaged as error:
        raise EncoderUnavailable(f"{error}. {TRAIN}") from None


def _is_folder(model: TrainedModel) -> bool:
    return not model.path.endswith(".json")


def _read_file(model: TrainedModel) -> dict[str, Any]:
    file = settings.MODEL_ROOT / model.path
    text = file.read_text()
    if hashlib.sha256(text.encode()).hexdigest() != model.sha256:
        raise ModelDamaged(f"{file} is not what was recorded")
    return json.loads(text)


def _read_folder(model: TrainedModel) -> dict[str, Any]:
    return artifacts.read_model_manifest(model.path, model.sha256)["record"]
