"""Training of the encoder's heads on stored features; if the gate accepts, listings are embedded again."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from redis import RedisError

from listings.errors import Invalid
from recommendations.core import locks
from recommendations.core.progress import Steps, unwatched_steps
from recommendations.core.tensorboard import tensorboard_writer
from recommendations.encoders import encoder, selection, training_state
from recommendations.encoders.encoder import Encoder
from recommendations.encoders.manifest import EncoderManifest, EncoderUnavailable
from recommendations.indexing import embedding_jobs, wakeup
from recommendations.models.trained_models import TrainedModel
from recommendations.training import encoder_gate
from recommendations.training.encoder_dataset import EncoderDataset, read_dataset

if TYPE_CHECKING:
    from ml.encoder.blocks import Blocks
    from ml.encoder.head_modules import HeadOptions
    from ml.encoder.head_training import HeadEpoch
    from ml.encoder.joint import JointEncoder
    from ml.encoder.training import EncoderTrainingData

SEED = 20260302
FAILURE_KEPT = timedelta(days=1)  # before a training on the same catalogue is tried again


class TooLittleMaterial(Invalid):
    """The catalogue has too few listings, photos or categories to learn from."""


class EncoderRefused(Invalid):
    """The encoder that was trained is worse than the one in service."""


@dataclass(frozen=True)
class UntrainedSpace:
    """Stand-in for a joint space before it is trained: the features that the trained space will take."""

    backbone: str
    feature_dimension: int
    text_encoder: str


def train_encoder(
    *,
    now: datetime,
    force: bool = False,
    record: EncoderManifest | None = None,
    options: "HeadOptions | None" = None,
    steps: Steps = unwatched_steps,
    report: "Callable[[HeadEpoch], None]" = lambda epoch: None,
) -> TrainedModel:
    """Train an encoder, judge it and publish it; then every listing is embedded again in the background.

    Serving processes switch to the new space once everything is embedded and indexed. record: None means the
    backbone that the environment asks for. options: None means the default shape of the heads. force: publish
    even if the gate refuses. Raises TooLittleMaterial, DamagedPhoto, AlreadyTraining, EncoderRefused,
    EncoderUnavailable, BadBackboneSetting, OSError; then the active encoder stays.
    """
    with encoder_training_lock(), _failure_noted():
        record = record or selection.requested_manifest(lambda line: None)
        source = _source(record)
        with steps("Reading features") as progress:
            material = read_dataset(source, progress)
        with steps("Training the heads") as progress, tensorboard_writer("encoder", now) as write:
            space, figures = _fit(material, source, options, progress, _both(report, write))
        return _publish(space, record, material, figures, source, force=force)


@contextmanager
def _failure_noted() -> Iterator[None]:
    """Note a training that cannot succeed on this catalogue, so that it is not started again all the time."""
    try:
        yield
    except Invalid:
        with suppress(RedisError):
            training_state.note_attempt(kept=FAILURE_KEPT)
        raise


def encoder_training_lock() -> AbstractContextManager[None]:
    """Hold the lock of encoder trainings.   Raises AlreadyTraining if another process holds it."""
    return locks.training_lock(locks.ENCODER, "an encoder")


def _source(record: EncoderManifest) -> Encoder:
    """An encoder without heads, which computes the features that the new space will take."""
    backbone = encoder.load_backbone(record.backbone, record.weights)
    sentence_encoder = encoder.configured_sentence_encoder()
    text_encoder = sentence_encoder.version if sentence_encoder else ""
    space = UntrainedSpace(backbone.version, backbone.dimension, text_encoder)
    # The stand-in is enough for reading features; `encode` is never called on it.
    return Encoder("", replace(record, parts=backbone.parts), space)  # type: ignore[arg-type]


def _both(report: "Callable[[HeadEpoch], None]", write: Callable) -> "Callable[[HeadEpoch], None]":
    def report_and_write(epoch: "HeadEpoch") -> None:
        report(epoch)
        write(epoch.number, epoch.figures)

    return report_and_write


def _fit(
    material: EncoderDataset,
    source: Encoder,
    options: "HeadOptions | None",
    progress: Callable,
    report: Callable,
) -> "tuple[JointEncoder, dict[str, float]]":
    from ml.encoder.head_training import NonFiniteLoss
    from ml.encoder.training import TooLittleTrainingData, fit_encoder

    try:
        space, trained = fit_encoder(
            _dataset(material, source),
            material.held_out,
            options or _default_options(),
            progress=progress,
            report=report,
        )
    except TooLittleTrainingData as error:
        raise TooLittleMaterial(
            f"{str(error).capitalize()}. Import more listings with photos. The active encoder stays."
        ) from None
    except NonFiniteLoss as error:
        raise EncoderRefused(f"The training failed: {error}. The active encoder stays.") from None
    return space, trained.best.figures


def _default_options() -> "HeadOptions":
    from ml.encoder.head_modules import HeadOptions

    return HeadOptions(seed=SEED)


def _dataset(material: EncoderDataset, source: Encoder) -> "EncoderTrainingData":
    from ml.encoder.training import EncoderTrainingData

    return EncoderTrainingData(
        backbone=source.backbone_version,
        text_encoder=source.text_encoder,
        features=material.features,
        parts=source.record.parts,
        owners=material.owners,
        titles=material.titles,
        descriptions=material.descriptions,
        sentences=material.sentences,
        roots=material.roots,
        paths=material.paths,
        concepts=source.concepts(),
    )


def _publish(
    space: "JointEncoder",
    record: EncoderManifest,
    material: EncoderDataset,
    figures: dict[str, float],
    source: Encoder,
    *,
    force: bool,
) -> TrainedModel:
    """Record the space as the next encoder if the gate accepts it or `force`.   Raises EncoderRefused."""
    encoded = space.encode(
        material.features, material.owners, material.titles, material.descriptions, material.sentences
    )
    verdict = encoder_gate.judge(material, encoded.listings, space.blocks, _active())
    metrics: dict[str, Any] = {
        "source": record.source,
        "backbone": record.backbone,
        "requested": record.requested,
        "listings": len(material),
        "photos": len(material.features),
        **{name: round(value, 4) for name, value in figures.items()},
        **verdict.metrics,
    }
    if not (verdict.accepted or force):
        selection.reject(space.version, metrics, verdict.reason)
        raise EncoderRefused(f"{verdict.reason} The active encoder stays. Publish the new one with --force.")
    reason = verdict.reason if verdict.accepted else f"Forced. {verdict.reason}"
    trained = replace(record, projection=space.to_json(), parts=source.record.parts)
    model = selection.publish_trained(space, trained, metrics=metrics, verdict=reason)
    embedding_jobs.request_missing()
    wakeup.notify_now()
    return model


def _active() -> "tuple[str, Blocks] | None":
    """Version and blocks of the active encoder; None if there is none or it is unavailable."""
    model = selection.active_encoder()
    if model is None:
        return None
    try:
        return model.version, selection.blocks_of(model)
    except EncoderUnavailable:
        return None
