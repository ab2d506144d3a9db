"""Which encoder turns listings into vectors: chosen once, recorded in the registry, loaded by workers.

Serving processes read versions and blocks from here; torch is imported only where something is encoded.
"""

import functools
import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from django.conf import settings
from django.db import transaction
from filelock import FileLock

from ml.blocks import Blocks
from recommendations import backbones
from recommendations.models import TrainedModel

if TYPE_CHECKING:
    from ml.encoder import ProjectionEncoder

KIND = TrainedModel.Kind.ENCODER
SEED = 20260302

logger = logging.getLogger(__name__)


class EncoderUnavailable(Exception):
    """No encoder was chosen yet, or its weights are gone. The message says which command mends it."""


@dataclass(frozen=True)
class EncoderRecord:
    """The choice as its file keeps it: which backbone, whence its weights, and the projection."""

    requested: str  # IMAGE_BACKBONE and IMAGE_WEIGHTS when the choice was made
    backbone: str
    weights: str
    source: str  # for people: where the weights came from
    projection: dict

    @classmethod
    def read(cls, model: TrainedModel) -> "EncoderRecord":
        file = settings.MODEL_ROOT / model.path
        try:
            text = file.read_text()
        except OSError as error:
            raise EncoderUnavailable(f"{error}. Choose again with `manage.py embed`.") from None
        if hashlib.sha256(text.encode()).hexdigest() != model.sha256:
            raise EncoderUnavailable(f"{file} is not what was recorded. Run `manage.py embed` again.")
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Encoder:
    """Photos and words of listings to vectors, in one space of one version."""

    version: str
    record: EncoderRecord
    projection: "ProjectionEncoder"

    @property
    def backbone_version(self) -> str:
        return self.projection.backbone

    @property
    def feature_dimension(self) -> int:
        return self.projection.feature_dimension

    def warm_up(self) -> None:
        """Load what is loaded once in a process. Raises EncoderUnavailable."""
        _backbone(self.record.backbone, self.record.weights)

    def features(self, paths: Sequence[Path]) -> np.ndarray:
        """Backbone features of photos, (n, f) float16."""
        return _backbone(self.record.backbone, self.record.weights).features(paths)

    def encode(
        self, words: Sequence[tuple[str, str]], features: np.ndarray, owners: np.ndarray
    ) -> np.ndarray:
        """Vectors of n listings: words (title, description) of each, features (m, f) float16 of their
        photos, owners (m,) int32 naming the listing of each photo -> (n, d) float16."""
        titles, descriptions = [title for title, _ in words], [text for _, text in words]
        return self.projection.encode(features, owners, titles, descriptions)


def active() -> TrainedModel | None:
    """The encoder whose vectors are served."""
    return TrainedModel.objects.filter(kind=KIND, status=TrainedModel.Status.ACTIVE).first()


def target() -> TrainedModel | None:
    """The encoder that listings are embedded with: the candidate that will be served, else the active one."""
    waiting = TrainedModel.objects.filter(kind=KIND, status=TrainedModel.Status.CANDIDATE)
    return waiting.order_by("-pk").first() or active()


def target_version() -> str:
    """Its version; empty while none was chosen, so that every listing counts as not embedded."""
    model = target()
    return model.version if model else ""


def blocks_of(model: TrainedModel) -> Blocks:
    """The blocks of an encoder's vectors, for those who only compare them. Raises EncoderUnavailable."""
    return Blocks(**EncoderRecord.read(model).projection["blocks"])


def load_target() -> Encoder:
    """The target encoder, kept in this process. Raises EncoderUnavailable."""
    model = target()
    if model is None:
        raise EncoderUnavailable("No encoder was chosen yet: run `manage.py embed`.")
    return _load(model.pk, model.sha256)


def load_in_use() -> list[Encoder]:
    """The target and, while it is not served yet, the active one. Raises EncoderUnavailable.

    Weights of the active one that are gone do not keep the target waiting.
    """
    wanted, served = load_target(), active()
    if served is None or served.version == wanted.version:
        return [wanted]
    try:
        return [wanted, _load(served.pk, served.sha256)]
    except EncoderUnavailable as error:
        logger.warning("New listings wait for the next encoder, the one in service is gone: %s", error)
        return [wanted]


@functools.lru_cache(maxsize=2)
def _load(model_id: int, sha256: str) -> Encoder:
    from ml.encoder import ProjectionEncoder

    model = TrainedModel.objects.get(pk=model_id, sha256=sha256)
    record = EncoderRecord.read(model)
    return Encoder(model.version, record, ProjectionEncoder.from_json(record.projection))


@functools.lru_cache(maxsize=2)
def _backbone(name: str, weights: str):
    from ml.backbone import load_backbone
    from ml.weights import WeightsError

    try:
        return load_backbone(name, Path(weights))
    except WeightsError as error:
        raise EncoderUnavailable(f"{error}. Run `manage.py embed`.") from None


def requested() -> str:
    """What the environment asks for, to tell whether the recorded choice still answers it."""
    given = settings.ENVIRONMENT.image_weights
    return f"{settings.ENVIRONMENT.image_backbone} {given or ''}".strip()


def ensure_any(say: Callable[[str], None]) -> None:
    """Choose an encoder if none was chosen yet: a fresh installation embeds its first listing by itself."""
    if target() is None:
        ensure_encoder(say)


def ensure_encoder(say: Callable[[str], None] = print) -> TrainedModel:
    """The encoder that the environment asks for, chosen and recorded when it is not the target already.

    The first one is active at once. A later one is a candidate until every listing is embedded with it
    and an index generation is built, so that readers never see two spaces mixed.
    Raises BadWish when a variable names what cannot be had.
    """
    settings.MODEL_ROOT.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.MODEL_ROOT / "encoder.lock"):  # two workers must not both train a backbone
        current = target()
        if current and _answers(current):
            say(f"Photos: {EncoderRecord.read(current).source} (chosen before).")
            return current
        record = _choose(say)
        say(f"Photos: {record.source}.")
        return _publish(record)


def _answers(model: TrainedModel) -> bool:
    try:
        record = EncoderRecord.read(model)
    except EncoderUnavailable:
        return False
    return record.requested == requested() and Path(record.weights).is_file()


def _choose(say: Callable[[str], None]) -> EncoderRecord:
    from ml.encoder import ProjectionEncoder

    choice, backbone = backbones.choose(say)
    projection = ProjectionEncoder(backbone.version, backbone.dimension, seed=SEED)
    return EncoderRecord(
        requested(), choice.backbone, str(choice.weights), choice.source, projection.to_json()
    )


@transaction.atomic
def _publish(record: EncoderRecord) -> TrainedModel:
    from ml.encoder import ProjectionEncoder

    version = ProjectionEncoder.from_json(record.projection).version
    text = json.dumps(record.__dict__, indent=1)
    path = Path("encoder") / f"{version}.json"
    file = settings.MODEL_ROOT / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    first = active() is None
    TrainedModel.objects.filter(kind=KIND, status=TrainedModel.Status.CANDIDATE).update(
        status=TrainedModel.Status.RETIRED
    )
    model, _ = TrainedModel.objects.update_or_create(
        kind=KIND,
        version=version,
        defaults={"path": str(path), "sha256": hashlib.sha256(text.encode()).hexdigest()},
    )
    if model.status != TrainedModel.Status.ACTIVE:
        model.status = TrainedModel.Status.ACTIVE if first else TrainedModel.Status.CANDIDATE
        model.metrics = {"source": record.source, "backbone": record.backbone}
        model.save()
    return model
