"""Selection of the encoder that turns listings into vectors: chosen, recorded in the registry, loaded.

Serving processes read versions and blocks from here. Functions that encode import torch when they are called.
"""

import hashlib
import json
import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from filelock import FileLock

from ml.encoder.blocks import Blocks
from recommendations.encoders import backbones, encoder
from recommendations.encoders.encoder import Encoder
from recommendations.encoders.manifest import EncoderManifest, EncoderUnavailable
from recommendations.model_registry import artifacts
from recommendations.models.trained_models import TrainedModel

KIND = TrainedModel.Kind.ENCODER
SEED = 20260302

logger = logging.getLogger(__name__)


def active_encoder() -> TrainedModel | None:
    """The encoder whose vectors are served."""
    return TrainedModel.objects.filter(kind=KIND, status=TrainedModel.Status.ACTIVE).first()


def target_encoder() -> TrainedModel | None:
    """The encoder that listings are embedded with: the candidate if there is one, else the active encoder."""
    candidates = TrainedModel.objects.filter(kind=KIND, status=TrainedModel.Status.CANDIDATE)
    return candidates.order_by("-pk").first() or active_encoder()


def target_version() -> str:
    """The version of the target encoder; empty while there is none, so that no listing counts as embedded."""
    model = target_encoder()
    return model.version if model else ""


def blocks_of(model: TrainedModel) -> Blocks:
    """The blocks of an encoder's vectors, read without loading the encoder. Raises EncoderUnavailable."""
    return Blocks(**EncoderManifest.read(model).projection["blocks"])


def load_target() -> Encoder:
    """The target encoder, kept in this process. Raises EncoderUnavailable."""
    model = target_encoder()
    if model is None:
        raise EncoderUnavailable("No encoder was chosen yet: run `manage.py embed`.")
    return encoder.load(model.pk, model.sha256)


def load_active() -> Encoder:
    """The encoder in service, kept in this process. Raises EncoderUnavailable."""
    model = active_encoder()
    if model is None:
        raise EncoderUnavailable("No encoder was chosen yet: run `manage.py embed`.")
    return encoder.load(model.pk, model.sha256)


def load_in_use() -> list[Encoder]:
    """The target encoder and, if it is another one, the active encoder. Raises EncoderUnavailable.

    The target alone is returned when the weights of the active encoder are gone.
    """
    next_encoder, served = load_target(), active_encoder()
    if served is None or served.version == next_encoder.version:
        return [next_encoder]
    try:
        return [next_encoder, encoder.load(served.pk, served.sha256)]
    except EncoderUnavailable as error:
        logger.warning(
            "The encoder in service cannot be loaded (%s). Listings are embedded with the next encoder "
            "alone, and new ones are found once it serves",
            error,
        )
        return [next_encoder]


def requested_weights() -> str:
    """IMAGE_BACKBONE and IMAGE_WEIGHTS as one text, to compare with the recorded choice."""
    weights = settings.ENVIRONMENT.image_weights
    return f"{settings.ENVIRONMENT.image_backbone} {weights or ''}".strip()


def ensure_chosen(say: Callable[[str], None]) -> None:
    """Choose an encoder if there is none of this release, so that a fresh installation needs no command."""
    model = target_encoder()
    if model is None or not _is_of_this_release(model):
        ensure_encoder(say)


def ensure_encoder(say: Callable[[str], None] = print) -> TrainedModel:
    """The target encoder; one that the environment asks for is chosen and recorded if there is none to keep.

    The first encoder is active at once. A later one is a candidate until every listing is embedded with it
    and an index generation is built, so that no reader mixes vectors of two encoders. A trained encoder is
    kept until one is trained on the backbone that the environment asks for. So is one that was chosen by
    the default of an earlier release.
    say: called with lines for the user. Raises BadBackboneSetting when IMAGE_BACKBONE or IMAGE_WEIGHTS
    cannot be used.
    """
    settings.MODEL_ROOT.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.MODEL_ROOT / "encoder.lock"):  # two workers must not both train a backbone
        current = target_encoder()
        if current and (record := _usable(current)):
            if record.requested == requested_weights():
                say(f"Photos: {record.source} (chosen before).")
                return current
            if record.is_trained or not is_backbone_set():
                say(f"Photos: {record.source}, until an encoder is trained on {requested_weights()}.")
                return current
        record = choose(say)
        say(f"Photos: {record.source}.")
        return publish(record)


def requested_manifest(say: Callable[[str], None]) -> EncoderManifest:
    """The manifest to train an encoder on: the target encoder's if that has the backbone asked for, else new.

    Raises BadBackboneSetting.
    """
    current = target_encoder()
    record = current and _usable(current)
    if record and record.requested == requested_weights():
        return record
    return choose(say)


def is_backbone_set() -> bool:
    """Whether IMAGE_BACKBONE or IMAGE_WEIGHTS is set, rather than left to the default."""
    return bool({"image_backbone", "image_weights"} & settings.ENVIRONMENT.model_fields_set)


def _usable(model: TrainedModel) -> EncoderManifest | None:
    """The manifest of an encoder of this release whose weights exist, else None."""
    try:
        record = EncoderManifest.read(model)
    except EncoderUnavailable:
        return None
    file = record.weights_file
    return record if record.parts and (file is None or file.is_file()) else None


def _is_of_this_release(model: TrainedModel) -> bool:
    """Whether an encoder is of this release: the records of older ones name no parts."""
    try:
        return bool(EncoderManifest.read(model).parts)
    except EncoderUnavailable:
        return True  # loading it reports the missing record


def choose(say: Callable[[str], None]) -> EncoderManifest:
    """The encoder that the environment asks for, not recorded yet.   Raises BadBackboneSetting."""
    choice, backbone = backbones.choose(say)
    return _untrained(choice, backbone)


def propose(choice: backbones.BackboneChoice) -> TrainedModel:
    """Record an encoder on a backbone that was trained here, with an untrained projection, as the next one.

    Raises ml.vision.weights.WeightsError, ml.vision.weights.BadBackbone.
    """
    from ml.vision.backbone import load_backbone

    record = _untrained(choice, load_backbone(choice.backbone, choice.weights))
    with FileLock(settings.MODEL_ROOT / "encoder.lock"):
        return publish(record)


def _untrained(choice: backbones.BackboneChoice, backbone) -> EncoderManifest:
    from ml.encoder.projection import ProjectionEncoder

    space = ProjectionEncoder(backbone.version, backbone.dimension, seed=SEED)
    return EncoderManifest(
        requested_weights(),
        choice.backbone,
        str(choice.weights or ""),
        choice.source,
        space.to_json(),
        backbone.parts,
    )


def publish(record: EncoderManifest) -> TrainedModel:
    """Record an untrained encoder, whose projection is derived from seeds."""
    from ml.encoder.projection import ProjectionEncoder

    version = ProjectionEncoder.from_json(record.projection).version
    text = json.dumps(record.to_json(), indent=1)
    path = Path("encoder") / f"{version}.json"
    file = settings.MODEL_ROOT / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    metrics = {"source": record.source, "backbone": record.backbone}
    return register(version, str(path), hashlib.sha256(text.encode()).hexdigest(), metrics)


def publish_trained(space, record: EncoderManifest, *, metrics: dict[str, Any], verdict: str) -> TrainedModel:
    """Write a trained space (ml.encoder.joint.JointEncoder) to its folder and record it as the next encoder.

    Raises OSError, without having changed anything.
    """
    path = f"encoder/{space.version}"
    if (settings.MODEL_ROOT / path).exists():  # of an attempt that was killed, or of an identical training
        path = f"{path}-{secrets.token_hex(4)}"
    digest = artifacts.publish(path, {"record": record.to_json()}, space.save)
    with FileLock(settings.MODEL_ROOT / "encoder.lock"):
        return register(space.version, path, digest, metrics, verdict)


@transaction.atomic
def register(
    version: str, path: str, sha256: str, metrics: dict[str, Any], verdict: str = ""
) -> TrainedModel:
    """Make an encoder the target: active at once if it is the first, else the only candidate."""
    is_first = active_encoder() is None
    candidates = TrainedModel.objects.filter(kind=KIND, status=TrainedModel.Status.CANDIDATE)
    candidates.update(status=TrainedModel.Status.RETIRED)
    model, _ = TrainedModel.objects.update_or_create(
        kind=KIND, version=version, defaults={"path": path, "sha256": sha256}
    )
    if model.status != TrainedModel.Status.ACTIVE:
        model.status = TrainedModel.Status.ACTIVE if is_first else TrainedModel.Status.CANDIDATE
        model.metrics, model.verdict = metrics, verdict
        model.save()
    return model


@transaction.atomic
def reject(version: str, metrics: dict[str, Any], verdict: str) -> None:
    """Record an encoder that the gate refused. Its files are not kept.

    The row stays as it is when the same encoder is in use, since its publication was forced.
    """
    in_use = [TrainedModel.Status.ACTIVE, TrainedModel.Status.CANDIDATE]
    if TrainedModel.objects.filter(kind=KIND, version=version, status__in=in_use).exists():
        return
    TrainedModel.objects.update_or_create(
        kind=KIND,
        version=version,
        defaults={"status": TrainedModel.Status.REJECTED, "metrics": metrics, "verdict": verdict},
    )
