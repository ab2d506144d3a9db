"""An encoder as workers hold it: backbone, sentence encoder and space, loaded once in a process."""

import functools
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from django.conf import settings

from ml.model_files import ModelFileError
from recommendations import encoder_records
from recommendations.encoded import Encoded, Suggestion
from recommendations.encoder_records import EncoderRecord, EncoderUnavailable
from recommendations.models import TrainedModel

if TYPE_CHECKING:
    from ml.backbone import Photo
    from ml.concepts import Concepts
    from ml.encoder import Coded, ProjectionEncoder
    from ml.joint_encoder import JointEncoder

MOST_SUGGESTED_LEAVES = 20


@dataclass(frozen=True)
class Encoder:
    """Photos and words of listings to vectors, in one space of one version."""

    version: str
    record: EncoderRecord
    space: "ProjectionEncoder | JointEncoder"

    @property
    def backbone_version(self) -> str:
        return self.space.backbone

    @property
    def text_encoder(self) -> str:
        """The version of the sentence encoder; empty when the space does without."""
        return self.space.text_encoder

    @property
    def feature_dimension(self) -> int:
        return self.space.feature_dimension

    def warm_up(self) -> None:
        """Load what is loaded once in a process. Raises EncoderUnavailable."""
        load_backbone(self.record.backbone, self.record.weights)
        if self.text_encoder:
            load_sentence_encoder()

    def features(self, photos: "Sequence[Photo]") -> np.ndarray:
        """Backbone features of photos, (n, f) float16."""
        return load_backbone(self.record.backbone, self.record.weights).features(photos)

    def sentences(self, words: Sequence[tuple[str, str]]) -> np.ndarray | None:
        """Of title and description of listings, (n, s) float16; None when the space does without."""
        if not self.text_encoder:
            return None
        return load_sentence_encoder().read([title for title, _ in words], [text for _, text in words])

    def concepts(self) -> "Concepts":
        """What the backbone's own classes mean as sentences; none where either has no words for them."""
        from ml.concepts import Concepts

        if not self.text_encoder:
            return Concepts.none()
        classes = load_backbone(self.record.backbone, self.record.weights).classes
        return load_sentence_encoder().concepts_of(classes)

    def encode(
        self,
        words: Sequence[tuple[str, str]],
        features: np.ndarray,
        owners: np.ndarray,
        sentences: np.ndarray | None,
    ) -> "Coded":
        """Vectors of n listings: words (title, description) of each, features (m, f) float16 of their
        photos, owners (m,) int naming the listing of each photo, sentences (n, s) of their words."""
        titles, descriptions = [title for title, _ in words], [text for _, text in words]
        return self.space.encode(features, owners, titles, descriptions, sentences)

    def encode_query(self, words: str, photo: bytes | None) -> Encoded:
        """What is asked for, as a listing that nobody published.

        photo: a JPEG as `listings.photos.receive` makes them. Raises ml.photos.UnreadablePhoto.
        """
        photos = [io.BytesIO(photo)] if photo else []
        features = self.features(photos)  # (0 or 1, f)
        owners, said = np.zeros(len(photos), np.int64), [(words, "")]
        sentences = self.sentences(said)
        coded = self.encode(said, features, owners, sentences)
        roots, leaves = self._suggestions(features, owners, words, sentences)
        one = Encoded(self.version, coded.listings[0].astype(np.float32), roots=roots, leaves=leaves)
        if not photos:
            return one
        photo_vector = coded.photos[0].astype(np.float32)
        return Encoded(self.version, one.vector, photo_vector, features[0].astype(np.float32), roots, leaves)

    def _suggestions(
        self, features: np.ndarray, owners: np.ndarray, words: str, sentences: np.ndarray | None
    ) -> tuple[tuple[Suggestion, ...], tuple[Suggestion, ...]]:
        """Root categories and full paths, likeliest first; none before a training."""
        from ml.joint_encoder import JointEncoder

        if not isinstance(self.space, JointEncoder) or not (words or len(features)):
            return (), ()
        evidence = self.space.evidence(features, owners, [words], [""], sentences)
        classifier = self.space.classifier
        roots = _ordered(classifier.labels.roots, classifier.roots(evidence)[0])
        leaves = _ordered(classifier.labels.leaves, classifier.leaves(evidence)[0])
        return roots, leaves[:MOST_SUGGESTED_LEAVES]


def _ordered(names: Sequence[str], probabilities: np.ndarray) -> tuple[Suggestion, ...]:
    order = np.argsort(-probabilities, kind="stable")
    return tuple(Suggestion(names[place], float(probabilities[place])) for place in order)


@functools.lru_cache(maxsize=2)
def load(model_id: int, sha256: str) -> Encoder:
    """The encoder of a row of the registry, kept in this process. Raises EncoderUnavailable."""
    model = TrainedModel.objects.get(pk=model_id, sha256=sha256)
    record = EncoderRecord.read(model)
    space = _space(model, record)
    given = load_backbone(record.backbone, record.weights).version
    if given != space.backbone:
        raise EncoderUnavailable(
            f"{model} takes features of {space.backbone}, found {given}. Run `manage.py embed`."
        )
    return Encoder(model.version, record, space)


def _space(model: TrainedModel, record: EncoderRecord) -> "ProjectionEncoder | JointEncoder":
    from ml.encoder import EncoderError, ProjectionEncoder
    from ml.joint_encoder import JointEncoder

    try:
        if record.is_trained:
            return JointEncoder.load(encoder_records.checked_folder(model))
        return ProjectionEncoder.from_json(record.projection)
    except (ModelFileError, EncoderError) as error:
        mend = encoder_records.TRAIN if record.is_trained else "Run `manage.py embed` again."
        raise EncoderUnavailable(f"{error}. {mend}") from None


@functools.lru_cache(maxsize=2)
def load_backbone(name: str, weights: str):
    """Raises EncoderUnavailable."""
    from ml.backbone import load_backbone as load_from
    from ml.weights import WeightsError

    try:
        return load_from(name, Path(weights))
    except WeightsError as error:
        raise EncoderUnavailable(f"{error}. Run `manage.py embed`.") from None


@functools.lru_cache(maxsize=1)
def load_sentence_encoder():
    """Raises EncoderUnavailable."""
    from ml.text import SentenceEncoder, TextEncoderError

    try:
        return SentenceEncoder()
    except TextEncoderError as error:
        raise EncoderUnavailable(f"{error}.") from None


def wished_sentence_encoder() -> "object | None":
    """The one that TEXT_ENCODER asks for; None for n-grams alone. Raises EncoderUnavailable."""
    return load_sentence_encoder() if settings.ENVIRONMENT.text_encoder == "minilm" else None
