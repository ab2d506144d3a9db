"""Encoder of a worker: backbone, sentence encoder and space, loaded once in a process."""

import functools
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from django.conf import settings

from ml.model_files import ModelFileError
from recommendations.encoders import manifest
from recommendations.encoders.encoded_query import CategorySuggestion, EncodedQuery
from recommendations.encoders.manifest import EncoderManifest, EncoderUnavailable
from recommendations.models.trained_models import TrainedModel

if TYPE_CHECKING:
    from ml.encoder.joint import JointEncoder
    from ml.encoder.projection import EncodedListings, ProjectionEncoder
    from ml.encoder.text import SentenceEncoder
    from ml.vision.class_concepts import ClassConcepts
    from ml.vision.image_decoding import Photo

MOST_SUGGESTED_LEAVES = 20


@dataclass(frozen=True)
class Encoder:
    """Encodes photos and words of listings as vectors of one space."""

    version: str
    record: EncoderManifest
    space: "ProjectionEncoder | JointEncoder"

    @property
    def backbone_version(self) -> str:
        return self.space.backbone

    @property
    def text_encoder(self) -> str:
        """The version of the sentence encoder; empty when the space uses none."""
        return self.space.text_encoder

    @property
    def feature_dimension(self) -> int:
        return self.space.feature_dimension

    def warm_up(self) -> None:
        """Load the backbone and the sentence encoder. Raises EncoderUnavailable."""
        load_backbone(self.record.backbone, self.record.weights)
        if self.text_encoder:
            load_sentence_encoder()

    def features(self, photos: "Sequence[Photo]") -> np.ndarray:
        """Backbone features of photos, (n, f) float16."""
        return load_backbone(self.record.backbone, self.record.weights).features(photos)

    def sentences(self, words: Sequence[tuple[str, str]]) -> np.ndarray | None:
        """Sentence embeddings of titles and descriptions, (n, s) float16; None when the space uses none."""
        if not self.text_encoder:
            return None
        return load_sentence_encoder().read([title for title, _ in words], [text for _, text in words])

    def concepts(self) -> "ClassConcepts":
        """Sentence embeddings of the backbone's classes; none without a sentence encoder or class names."""
        from ml.vision.class_concepts import ClassConcepts

        if not self.text_encoder:
            return ClassConcepts.none()
        classes = load_backbone(self.record.backbone, self.record.weights).classes
        return load_sentence_encoder().concepts_of(classes)

    def encode(
        self,
        words: Sequence[tuple[str, str]],
        features: np.ndarray,
        owners: np.ndarray,
        sentences: np.ndarray | None,
    ) -> "EncodedListings":
        """Vectors of n listings.

        words: title and description of each listing; features (m, f) float16 of all their photos;
        owners (m,) int, the listing of each photo; sentences (n, s) of the words.
        """
        titles, descriptions = [title for title, _ in words], [text for _, text in words]
        return self.space.encode(features, owners, titles, descriptions, sentences)

    def encode_query(self, words: str, photo: bytes | None) -> EncodedQuery:
        """Vectors of a query, encoded like a listing with these words as its title, and its categories.

        photo: a JPEG as made by `listings.photos.processing.receive`.
        Raises ml.vision.image_decoding.UnreadablePhoto.
        """
        photos = [io.BytesIO(photo)] if photo else []
        features = self.features(photos)  # (0 or 1, f)
        owners, texts = np.zeros(len(photos), np.int64), [(words, "")]
        sentences = self.sentences(texts)
        coded = self.encode(texts, features, owners, sentences)
        roots, leaves = self._suggestions(features, owners, words, sentences)
        vector = coded.listings[0].astype(np.float32)
        if not photos:
            return EncodedQuery(self.version, vector, roots=roots, leaves=leaves)
        photo_vector = coded.photos[0].astype(np.float32)
        return EncodedQuery(self.version, vector, photo_vector, features[0].astype(np.float32), roots, leaves)

    def _suggestions(
        self, features: np.ndarray, owners: np.ndarray, words: str, sentences: np.ndarray | None
    ) -> tuple[tuple[CategorySuggestion, ...], tuple[CategorySuggestion, ...]]:
        """Root categories and full paths, most probable first; none before a training."""
        from ml.encoder.joint import JointEncoder

        if not isinstance(self.space, JointEncoder) or not (words or len(features)):
            return (), ()
        evidence = self.space.evidence(features, owners, [words], [""], sentences)
        classifier = self.space.classifier
        roots = _ordered(classifier.labels.roots, classifier.roots(evidence)[0])
        leaves = _ordered(classifier.labels.leaves, classifier.leaves(evidence)[0])
        return roots, leaves[:MOST_SUGGESTED_LEAVES]


def _ordered(names: Sequence[str], probabilities: np.ndarray) -> tuple[CategorySuggestion, ...]:
    order = np.argsort(-probabilities, kind="stable")
    return tuple(CategorySuggestion(names[position], float(probabilities[position])) for position in order)


@functools.lru_cache(maxsize=2)
def load(model_id: int, sha256: str) -> Encoder:
    """The encoder of a row of the registry, loaded once. Raises EncoderUnavailable."""
    model = TrainedModel.objects.get(pk=model_id, sha256=sha256)
    record = EncoderManifest.read(model)
    space = _space(model, record)
    loaded = load_backbone(record.backbone, record.weights).version
    if loaded != space.backbone:
        raise EncoderUnavailable(
            f"{model} takes features of {space.backbone}, found {loaded}. Run `manage.py embed`."
        )
    return Encoder(model.version, record, space)


def _space(model: TrainedModel, record: EncoderManifest) -> "ProjectionEncoder | JointEncoder":
    from ml.encoder.joint import JointEncoder
    from ml.encoder.projection import EncoderError, ProjectionEncoder

    try:
        if record.is_trained:
            return JointEncoder.load(manifest.checked_folder(model))
        return ProjectionEncoder.from_json(record.projection)
    except (ModelFileError, EncoderError) as error:
        remedy = manifest.TRAIN if record.is_trained else "Run `manage.py embed` again."
        raise EncoderUnavailable(f"{error}. {remedy}") from None


@functools.lru_cache(maxsize=2)
def load_backbone(name: str, weights: str):
    """A backbone with the weights of a file, or of its package, loaded once. Raises EncoderUnavailable.

    weights: the path of the file; empty for the package's.
    """
    from ml.vision.backbone import load_backbone as load_from
    from ml.vision.weights import WeightsError, WeightsUnavailable

    try:
        return load_from(name, Path(weights) if weights else None)
    except (WeightsError, WeightsUnavailable) as error:
        raise EncoderUnavailable(f"{error}. Run `manage.py embed`.") from None


@functools.lru_cache(maxsize=1)
def load_sentence_encoder() -> "SentenceEncoder":
    """The sentence encoder, loaded once. Raises EncoderUnavailable."""
    from ml.encoder.text import SentenceEncoder, TextEncoderError

    try:
        return SentenceEncoder()
    except TextEncoderError as error:
        raise EncoderUnavailable(f"{error}.") from None


def configured_sentence_encoder() -> "SentenceEncoder | None":
    """The sentence encoder that TEXT_ENCODER asks for; None for n-grams alone. Raises EncoderUnavailable."""
    return load_sentence_encoder() if settings.ENVIRONMENT.text_encoder == "minilm" else None
