"""State of the encoder: which one serves, which is prepared, and when one is trained by itself."""

import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings

from listings.models import Listing
from recommendations.core import locks, redis_client
from recommendations.encoders import selection
from recommendations.encoders.manifest import EncoderManifest, EncoderUnavailable
from recommendations.models.embeddings import EmbeddingJob, ListingEmbedding
from recommendations.models.trained_models import TrainedModel

ATTEMPT_KEY = "encoder:tried"  # Redis key: the last attempt, as JSON. It expires
MOST_LISTINGS = 100_000  # the newest, that a training reads; more do not fit into memory
REDIS_TIMEOUT_S = 1


@dataclass(frozen=True)
class TrainingAttempt:
    """A training of an encoder that was started: how many listings there were, and on which backbone."""

    listing_count: int
    requested: str


@dataclass(frozen=True)
class EncoderState:
    """What is in service, and what comes next, for people: the terminal, the admin, /readyz and classify."""

    in_service: str  # the backbone and the origin of its weights, in words; empty while there is none
    is_trained: bool
    is_training: bool
    has_candidate: bool
    waiting_count: int  # listings that wait for a vector of the candidate
    embedded_count: int  # listings with a vector of the encoder in service
    needed_count: int  # listings from which on one is trained by itself; 0: never

    @property
    def serving(self) -> str:
        """The encoder in service, as a sentence."""
        if not self.in_service:
            return "No encoder was chosen yet."
        return f"In service: {self.in_service}, {'with' if self.is_trained else 'without'} trained heads."

    @property
    def next(self) -> str:
        """What comes next, as a sentence; empty while nothing is being done."""
        if self.is_training:
            return "An encoder is being trained. It serves once every listing is embedded with it."
        if self.has_candidate:
            return f"The next encoder serves once {self.waiting_count} more listings are embedded with it."
        if self.is_trained:
            return ""
        if not self.needed_count:
            return "Train one with `manage.py train encoder`."
        if self.embedded_count < self.needed_count:
            return (
                f"One is trained by itself once {self.needed_count} listings are embedded; "
                f"{self.embedded_count} are. `manage.py train encoder` trains one now."
            )
        return "A training starts by itself within minutes, unless the last one failed for lack of data."

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"serving": self.serving, "next": self.next}


def read_state() -> EncoderState:
    """The state of the encoder as of now."""
    active, target = selection.active_encoder(), selection.target_encoder()
    has_candidate = target is not None and target != active
    source, is_trained = _described(active)
    return EncoderState(
        in_service=source,
        is_trained=is_trained,
        is_training=locks.is_held(locks.ENCODER),
        has_candidate=has_candidate,
        waiting_count=EmbeddingJob.objects.filter(failed_at=None).count() if has_candidate else 0,
        embedded_count=embedded_count(),
        needed_count=settings.ENVIRONMENT.train_encoder_after_listings,
    )


def _described(model: TrainedModel | None) -> tuple[str, bool]:
    """The source of an encoder in words, and whether it is trained."""
    if model is None:
        return "", False
    try:
        record = EncoderManifest.read(model)
    except EncoderUnavailable as error:
        return f"{model.version} ({error})", False
    return record.source, record.is_trained


def embedded_count() -> int:
    """Number of listings with a vector of the encoder in service."""
    active = selection.active_encoder()
    return ListingEmbedding.objects.filter(encoder_version=active.version).count() if active else 0


def listing_count() -> int:
    """Number of listings that a training of an encoder would read."""
    return min(Listing.objects.exclude(status=Listing.Status.DRAFT).count(), MOST_LISTINGS)


def attempts() -> list[TrainingAttempt]:
    """The last training that left a row, published or refused, and the last attempt that was noted."""
    rows = TrainedModel.objects.filter(kind=selection.KIND, metrics__has_key="listings")
    found = [_attempt_of(row) for row in rows.order_by("-pk")[:1]]
    noted = redis_client.client(REDIS_TIMEOUT_S).get(ATTEMPT_KEY)
    return [*found, TrainingAttempt(**json.loads(noted))] if noted else found


def note_attempt(*, kept: timedelta) -> None:
    """Note that a training is started, or failed, on the catalogue as it is now."""
    attempt = TrainingAttempt(listing_count(), selection.requested_weights())
    redis_client.client(REDIS_TIMEOUT_S).set(ATTEMPT_KEY, json.dumps(asdict(attempt)), ex=kept)


def _attempt_of(row: TrainedModel) -> TrainingAttempt:
    requested = row.metrics.get("requested")
    if requested is None:  # of an earlier release
        try:
            requested = EncoderManifest.read(row).requested
        except EncoderUnavailable:
            requested = ""
    return TrainingAttempt(row.metrics["listings"], requested)
