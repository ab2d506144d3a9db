"""Training of the joint encoder from stored photo features and words of a catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ml.arrays import Matrix, Rows, require_matrix, require_vector
from ml.encoder.blocks import Blocks
from ml.encoder.classifier import Classifier, Labels, fit_calibration
from ml.encoder.head_modules import HeadOptions, HeadTrainingData
from ml.encoder.head_training import EpochReport, TrainedHeads, train_heads
from ml.encoder.joint import JointEncoder, photo_features, text_features
from ml.encoder.look import fit_look
from ml.encoder.meaning import fit_meaning, head_outputs
from ml.encoder.ngram_lsa import NgramLsa, fit_ngram_lsa
from ml.progress import Progress
from ml.vision.class_concepts import ClassConcepts

LOOK, MEANING = 192, 256
# Chosen on validation splits of real adverts, by agreement of full categories, recall of the other photo of a
# listing, and recall of listings by their titles. The first result of meaningless queries has a similarity of
# .29 to .43, the tenth result of "sofa", "iphone 12" or "hedge trimmer" .40 to .74.
WEIGHTS, PHOTO_WEIGHTS, WORDS_WEIGHTS = (0.1, 0.25, 0.65), (0.6, 0.4, 0.0), (0.0, 0.2, 0.8)
LEAST_LIKENESS = 0.4
LEAST_LISTINGS, LEAST_CATEGORIES = 50, 2


class TooLittleTrainingData(ValueError):
    """There are too few listings, photos or categories to train heads. The message gives their numbers."""


@dataclass(frozen=True, eq=False)
class EncoderTrainingData:
    """Training data of an encoder: n listings and their p photos."""

    backbone: str  # version of the backbone of the features
    text_encoder: str  # version of the sentence encoder; empty without one
    features: Matrix  # (p, f) float16
    parts: Sequence[
        int
    ]  # number of features from the last layer, then from each earlier stage of the backbone
    owners: Rows  # (p,) int64
    titles: Sequence[str]
    descriptions: Sequence[str]
    sentences: Matrix | None  # (n, 2 s) float16: of title and description, then of the title alone
    roots: Sequence[str]
    paths: Sequence[str]
    concepts: ClassConcepts = field(
        default_factory=ClassConcepts.none
    )  # embeddings of the backbone's class names

    def __post_init__(self) -> None:
        require_vector(self.owners, length=len(self.features), dtypes=[np.int64])
        if self.sentences is not None:
            columns = 2 * self.concepts.dimension or None
            require_matrix(self.sentences, rows=len(self.titles), columns=columns)

    @property
    def titles_as_queries(self) -> Matrix | None:
        """Sentences of the listings with their titles alone, as for search queries."""
        if self.sentences is None:
            return None
        half = self.sentences.shape[1] // 2
        return np.hstack([self.sentences[:, half:]] * 2)


def fit_encoder(
    material: EncoderTrainingData,
    held_out: np.ndarray,
    options: HeadOptions,
    *,
    progress: Progress | None = None,
    report: EpochReport | None = None,
) -> tuple[JointEncoder, TrainedHeads]:
    """Train an encoder: heads, n-gram basis, projections and calibration.

    Listings of held_out (n,) bool are used for early stopping and calibration only. Returns the encoder and
    the heads with their history. Raises TooLittleTrainingData, ml.encoder.head_training.NonFiniteLoss.
    """
    _require_enough(material, held_out)
    training_part = subset(material, ~held_out)
    basis = fit_ngram_lsa(training_part.titles, training_part.descriptions, seed=options.seed)
    labels = Labels.of(material.roots, material.paths)
    trained = train_heads(
        _lessons(material, basis, labels), held_out, options, progress=progress, report=report
    )
    encoder = _assembled(material, held_out, basis, labels, trained, options)
    return _calibrated(encoder, material, held_out).with_digest(), trained


def _require_enough(material: EncoderTrainingData, held_out: np.ndarray) -> None:
    listings, categories = int((~held_out).sum()), len(set(material.roots))
    photos = int((~held_out[material.owners]).sum())
    if (
        listings < LEAST_LISTINGS
        or categories < LEAST_CATEGORIES
        or photos < LEAST_LISTINGS
        or not held_out.any()
    ):
        raise TooLittleTrainingData(
            f"expected at least {LEAST_LISTINGS} training listings and as many photos, of at least "
            f"{LEAST_CATEGORIES} root categories, and some held-out listings; found {listings} listings, "
            f"{photos} photos, {categories} categories and {int(held_out.sum())} held-out listings"
        )


def _lessons(material: EncoderTrainingData, basis: NgramLsa, labels: Labels) -> HeadTrainingData:
    blank = [""] * len(material.titles)
    root_number = {name: number for number, name in enumerate(labels.roots)}
    leaf_number = {path: number for number, path in enumerate(labels.leaves)}
    photos = photo_features(material.concepts, material.features)
    texts = text_features(basis, material.titles, material.descriptions, material.sentences)
    return HeadTrainingData(
        photos=photos,
        owners=material.owners,
        texts=texts,
        titles=text_features(basis, material.titles, blank, material.titles_as_queries),
        photo_bridge=_last_columns(photos.shape[1], material.concepts.dimension),
        text_bridge=_mean_of_halves(texts.shape[1], material.concepts.dimension),
        roots=np.array([root_number[name] for name in material.roots], np.int64),
        leaves=np.array([leaf_number[path] for path in material.paths], np.int64),
        root_count=len(labels.roots),
        leaf_count=len(labels.leaves),
    )


def _last_columns(width: int, shared: int) -> Matrix:
    """A matrix that selects the last columns.   -> (width, shared) float32"""
    return np.eye(width, dtype=np.float32)[:, width - shared :]


def _mean_of_halves(width: int, shared: int) -> Matrix:
    """A matrix that averages the embeddings of text and title.   -> (width, shared) float32"""
    identity = np.eye(width, dtype=np.float32)
    return (identity[:, :shared] + identity[:, shared : 2 * shared]) / 2


def _assembled(
    material: EncoderTrainingData,
    held_out: np.ndarray,
    basis: NgramLsa,
    labels: Labels,
    trained: TrainedHeads,
    options: HeadOptions,
) -> JointEncoder:
    training_features = material.features[~held_out[material.owners]]
    texts = text_features(basis, material.titles, material.descriptions, material.sentences)[~held_out]
    photo_outputs = head_outputs(trained.photo, photo_features(material.concepts, training_features))
    return JointEncoder(
        backbone=material.backbone,
        text_encoder=material.text_encoder,
        blocks=Blocks(LOOK, MEANING, MEANING, WEIGHTS, PHOTO_WEIGHTS, WORDS_WEIGHTS, LEAST_LIKENESS),
        look=fit_look(training_features, material.parts, LOOK, seed=options.seed),
        concepts=material.concepts,
        photo=trained.photo,
        words=trained.text,
        meaning=fit_meaning(photo_outputs, head_outputs(trained.text, texts), MEANING),
        ngrams=basis,
        classifier=Classifier(labels),
    )


def _calibrated(encoder: JointEncoder, material: EncoderTrainingData, held_out: np.ndarray) -> JointEncoder:
    held_out_part = subset(material, held_out)
    evidence = encoder.evidence(
        held_out_part.features,
        held_out_part.owners,
        held_out_part.titles,
        held_out_part.descriptions,
        held_out_part.sentences,
    )
    names = encoder.classifier.labels.roots
    roots = np.array([names.index(root) for root in held_out_part.roots])
    classifier = Classifier(encoder.classifier.labels, fit_calibration(evidence, roots))
    return JointEncoder(**{**vars(encoder), "classifier": classifier})


def subset(material: EncoderTrainingData, chosen: np.ndarray) -> EncoderTrainingData:
    """The chosen listings, (n,) bool, with their photos."""
    rows = np.flatnonzero(chosen).tolist()
    kept = chosen[material.owners]
    return replace(
        material,
        features=material.features[kept],
        owners=(np.cumsum(chosen) - 1)[material.owners[kept]],
        titles=[material.titles[row] for row in rows],
        descriptions=[material.descriptions[row] for row in rows],
        sentences=None if material.sentences is None else material.sentences[rows],
        roots=[material.roots[row] for row in rows],
        paths=[material.paths[row] for row in rows],
    )


def without_photos(material: EncoderTrainingData, left_out: np.ndarray) -> EncoderTrainingData:
    """The same listings without the photos in left_out (p,) bool."""
    return replace(material, features=material.features[~left_out], owners=material.owners[~left_out])
