"""What the registry's files say of an encoder: which backbone, whence its weights, and which space."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from recommendations import model_folders
from recommendations.model_folders import ModelDamaged
from recommendations.models import TrainedModel

CHOOSE = "Choose again with `manage.py embed`."
TRAIN = "Train again with `manage.py train encoder`."


class EncoderUnavailable(Exception):
    """No encoder was chosen yet, or its weights are gone. The message says which command mends it."""


@dataclass(frozen=True)
class EncoderRecord:
    """The choice as its file keeps it. A trained space has a folder, others come from seeds."""

    requested: str  # IMAGE_BACKBONE and IMAGE_WEIGHTS when the choice was made
    backbone: str
    weights: str
    source: str  # for people: where the weights came from
    projection: dict[str, Any]  # of the space: its kind, its blocks, and what it takes
    parts: tuple[int, ...] = ()  # of a photo's features: how many come from which stage of the backbone

    @property
    def is_trained(self) -> bool:
        return self.projection["kind"] != "projection"

    @classmethod
    def read(cls, model: TrainedModel) -> "EncoderRecord":
        """What is recorded of an encoder. Raises EncoderUnavailable."""
        try:
            said = _read_folder(model) if _is_folder(model) else _read_file(model)
        except (OSError, ModelDamaged) as error:
            mend = TRAIN if _is_folder(model) else CHOOSE
            raise EncoderUnavailable(f"{error}. {mend}") from None
        return cls(**{**said, "parts": tuple(said.get("parts", ()))})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def checked_folder(model: TrainedModel) -> Path:
    """The folder of a trained space, its files being what was published. Raises EncoderUnavailable."""
    try:
        about = model_folders.read_about(model.path, model.sha256)
        return model_folders.check(model.path, about, about["files"])
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
    return model_folders.read_about(model.path, model.sha256)["record"]
