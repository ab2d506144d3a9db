"""Which encoder turns listings into vectors: chosen once, recorded in the registry, loaded by workers.

Serving processes read versions and blocks from here; torch is imported only where something is encoded.
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

from ml.blocks import Blocks
from recommendations import backbones, loaded_encoder, model_folders
from recommendations.encoder_records import EncoderRecord, EncoderUnavailable
from recommendations.loaded_encoder import Encoder
from recommendations.models import TrainedModel

__all__ = ["Encoder", "EncoderRecord", "EncoderUnavailable"]  # callers find them here too

KIND = TrainedModel.Kind.ENCODER
SEED = 20260302

logger = logging.getLogger(__name__)


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
    return loaded_encoder.load(model.pk, model.sha256)


def load_active() -> Encoder:
    """The encoder in service, kept in this process. Raises EncoderUnavailable."""
    model = active()
    if model is None:
        raise EncoderUnavailable("No encoder was chosen yet: run `manage.py embed`.")
    return loaded_encoder.load(model.pk, model.sha256)


def load_in_use() -> list[Encoder]:
    """The target and, while it is not served yet, the active one. Raises EncoderUnavailable.

    Weights of the active one that are gone do not keep the target waiting.
    """
    wanted, served = load_target(), active()
    if served is None or served.version == wanted.version:
        return [wanted]
    try:
        return [wanted, loaded_encoder.load(served.pk, served.sha256)]
    except EncoderUnavailable as error:
        logger.warning("New listings wait for the next encoder, the one in service is gone: %s", error)
        return [wanted]


def requested() -> str:
    """What the environment asks for, to tell whether the recorded choice still answers it."""
    given = settings.ENVIRONMENT.image_weights
    return f"{settings.ENVIRONMENT.image_backbone} {given or ''}".strip()


def ensure_any(say: Callable[[str], None]) -> None:
    """Choose an encoder if none was chosen yet: a fresh installation embeds its first listing by itself."""
    model = target()
    if model is None or not _is_of_this_release(model):
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
        record = choose(say)
        say(f"Photos: {record.source}.")
        return publish(record)


def _answers(model: TrainedModel) -> bool:
    try:
        record = EncoderRecord.read(model)
    except EncoderUnavailable:
        return False
    current = bool(record.parts) and Path(record.weights).is_file()
    return current and record.requested == requested()


def _is_of_this_release(model: TrainedModel) -> bool:
    """Whether its features are those that the backbone gives now; older records name no parts."""
    try:
        return bool(EncoderRecord.read(model).parts)
    except EncoderUnavailable:
        return True  # gone is another matter, which is said when it is loaded


def choose(say: Callable[[str], None]) -> EncoderRecord:
    """What the environment asks for; nothing is recorded.   Raises BadWish."""
    choice, backbone = backbones.choose(say)
    return _untrained(choice, backbone)


def propose(choice: backbones.Choice) -> TrainedModel:
    """Make a backbone that was trained here that of the next encoder, before any head is trained on it.

    Raises ml.weights.WeightsError, ml.weights.BadBackbone.
    """
    from ml.backbone import load_backbone

    record = _untrained(choice, load_backbone(choice.backbone, choice.weights))
    with FileLock(settings.MODEL_ROOT / "encoder.lock"):
        return publish(record)


def _untrained(choice: backbones.Choice, backbone) -> EncoderRecord:
    from ml.encoder import ProjectionEncoder

    space = ProjectionEncoder(backbone.version, backbone.dimension, seed=SEED)
    return EncoderRecord(
        requested(), choice.backbone, str(choice.weights), choice.source, space.to_json(), backbone.parts
    )


def publish(record: EncoderRecord) -> TrainedModel:
    """Record an encoder that is derived from seeds."""
    from ml.encoder import ProjectionEncoder

    version = ProjectionEncoder.from_json(record.projection).version
    text = json.dumps(record.to_json(), indent=1)
    path = Path("encoder") / f"{version}.json"
    file = settings.MODEL_ROOT / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    metrics = {"source": record.source, "backbone": record.backbone}
    return register(version, str(path), hashlib.sha256(text.encode()).hexdigest(), metrics)


def publish_trained(space, record: EncoderRecord, *, metrics: dict[str, Any], verdict: str) -> TrainedModel:
    """Write a trained space (ml.joint_encoder.JointEncoder) to its folder and record it as the next encoder.

    Raises OSError; then nothing has changed.
    """
    path = f"encoder/{space.version}"
    if (settings.MODEL_ROOT / path).exists():  # of an attempt that broke off, or the very same training
        path = f"{path}-{secrets.token_hex(4)}"
    digest = model_folders.publish(path, {"record": record.to_json()}, space.save)
    with FileLock(settings.MODEL_ROOT / "encoder.lock"):
        return register(space.version, path, digest, metrics, verdict)


@transaction.atomic
def register(
    version: str, path: str, sha256: str, metrics: dict[str, Any], verdict: str = ""
) -> TrainedModel:
    """Make it the encoder that listings are embedded with from now on: active at once if it is the first."""
    first = active() is None
    waiting = TrainedModel.objects.filter(kind=KIND, status=TrainedModel.Status.CANDIDATE)
    waiting.update(status=TrainedModel.Status.RETIRED)
    model, _ = TrainedModel.objects.update_or_create(
        kind=KIND, version=version, defaults={"path": path, "sha256": sha256}
    )
    if model.status != TrainedModel.Status.ACTIVE:
        model.status = TrainedModel.Status.ACTIVE if first else TrainedModel.Status.CANDIDATE
        model.metrics, model.verdict = metrics, verdict
        model.save()
    return model


@transaction.atomic
def reject(version: str, metrics: dict[str, Any], verdict: str) -> None:
    """Record a space that is not published; none of its files are kept.

    The very same space may be in use, published by force: then its row stays as it is.
    """
    in_use = [TrainedModel.Status.ACTIVE, TrainedModel.Status.CANDIDATE]
    if TrainedModel.objects.filter(kind=KIND, version=version, status__in=in_use).exists():
        return
    TrainedModel.objects.update_or_create(
        kind=KIND,
        version=version,
        defaults={"status": TrainedModel.Status.REJECTED, "metrics": metrics, "verdict": verdict},
    )
