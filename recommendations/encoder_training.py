"""Training of the encoder's heads on stored features; if the gate accepts, listings are embedded again."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from listings.errors import Invalid
from recommendations import bell, embedding, encoder_gate, encoders, loaded_encoder, locks
from recommendations.encoder_material import CatalogueMaterial, read_catalogue
from recommendations.encoder_records import EncoderRecord, EncoderUnavailable
from recommendations.loaded_encoder import Encoder
from recommendations.models.trained_models import TrainedModel
from recommendations.progress import Steps, unwatched_steps
from recommendations.scalars import scalars

if TYPE_CHECKING:
    from ml.blocks import Blocks
    from ml.head_modules import HeadOptions
    from ml.heads import Epoch
    from ml.joint_encoder import JointEncoder
    from ml.space import Material

SEED = 20260302


class TooLittle(Invalid):
    """The catalogue has too few listings, photos or categories to learn from."""


class Refused(Invalid):
    """The encoder that was trained is worse than the one in service."""


@dataclass(frozen=True)
class TextOnly:
    """Stand-in for a joint space before it is trained: the features that the trained space will take."""

    backbone: str
    feature_dimension: int
    text_encoder: str


def train_encoder(
    *,
    now: datetime,
    force: bool = False,
    record: EncoderRecord | None = None,
    options: "HeadOptions | None" = None,
    steps: Steps = unwatched_steps,
    report: "Callable[[Epoch], None]" = lambda epoch: None,
) -> TrainedModel:
    """Train an encoder, judge it and publish it; then every listing is embedded again in the background.

    Serving processes switch to the new space once everything is embedded and indexed. record: None means the
    backbone in use. options: None means the default shape of the heads. force: publish even if the gate
    refuses. Raises TooLittle, DamagedPhoto, AlreadyTraining, Refused, EncoderUnavailable, OSError; then the
    active encoder stays.
    """
    with alone():
        record = record or _record_in_use()
        source = _source(record)
        with steps("Reading features") as progress:
            material = read_catalogue(source, progress)
        with steps("Training the heads") as progress, scalars("encoder", now) as write:
            space, figures = _fit(material, source, options, progress, _both(report, write))
        return _publish(space, record, material, figures, source, force=force)


def alone() -> AbstractContextManager[None]:
    """Hold the lock of encoder trainings.   Raises AlreadyTraining if another process holds it."""
    return locks.training_alone(locks.ENCODER, "an encoder")


def _record_in_use() -> EncoderRecord:
    model = encoders.ensure_encoder(lambda line: None)
    return EncoderRecord.read(model)


def _source(record: EncoderRecord) -> Encoder:
    """An encoder without heads, which computes the features that the new space will take."""
    backbone = loaded_encoder.load_backbone(record.backbone, record.weights)
    sentence_encoder = loaded_encoder.wished_sentence_encoder()
    text_encoder = sentence_encoder.version if sentence_encoder else ""
    space = TextOnly(backbone.version, backbone.dimension, text_encoder)
    return Encoder("", replace(record, parts=backbone.parts), space)


def _both(report: "Callable[[Epoch], None]", write: Callable) -> "Callable[[Epoch], None]":
    def report_and_write(epoch: "Epoch") -> None:
        report(epoch)
        write(epoch.number, epoch.figures)

    return report_and_write


def _fit(
    material: CatalogueMaterial,
    source: Encoder,
    options: "HeadOptions | None",
    progress: Callable,
    report: Callable,
) -> "tuple[JointEncoder, dict[str, float]]":
    from ml.heads import NotFinite
    from ml.space import TooLittleToLearn, fit_encoder

    try:
        space, trained = fit_encoder(
            _dataset(material, source),
            material.held_out,
            options or _default_options(),
            progress=progress,
            report=report,
        )
    except TooLittleToLearn as error:
        raise TooLittle(
            f"{str(error).capitalize()}. Import more listings with photos. The active encoder stays."
        ) from None
    except NotFinite as error:
        raise Refused(f"The training failed: {error}. The active encoder stays.") from None
    return space, trained.best.figures


def _default_options() -> "HeadOptions":
    from ml.head_modules import HeadOptions

    return HeadOptions(seed=SEED)


def _dataset(material: CatalogueMaterial, source: Encoder) -> "Material":
    from ml.space import Material

    return Material(
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
    record: EncoderRecord,
    material: CatalogueMaterial,
    figures: dict[str, float],
    source: Encoder,
    *,
    force: bool,
) -> TrainedModel:
    """Record the space as the next encoder if the gate accepts it or `force` is set.   Raises Refused."""
    encoded = space.encode(
        material.features, material.owners, material.titles, material.descriptions, material.sentences
    )
    verdict = encoder_gate.judge(material, encoded.listings, space.blocks, _active())
    metrics: dict[str, Any] = {
        "source": record.source,
        "backbone": record.backbone,
        "listings": len(material),
        "photos": len(material.features),
        **{name: round(value, 4) for name, value in figures.items()},
        **verdict.metrics,
    }
    if not (verdict.accepted or force):
        encoders.reject(space.version, metrics, verdict.reason)
        raise Refused(f"{verdict.reason} The active encoder stays. Publish the new one with --force.")
    reason = verdict.reason if verdict.accepted else f"Forced. {verdict.reason}"
    trained = replace(record, projection=space.to_json(), parts=source.record.parts)
    model = encoders.publish_trained(space, trained, metrics=metrics, verdict=reason)
    embedding.request_missing()
    bell.send()
    return model


def _active() -> "tuple[str, Blocks] | None":
    """Version and blocks of the active encoder; None if there is none or it is unavailable."""
    model = encoders.active()
    if model is None:
        return None
    try:
        return model.version, encoders.blocks_of(model)
    except EncoderUnavailable:
        return None
