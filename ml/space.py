"""Fitting the joint space: from stored features and words to an encoder that is ready to serve."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ml.arrays import Matrix, Rows, require_matrix, require_vector
from ml.blocks import Blocks
from ml.classifier import Classifier, Labels, fit_calibration
from ml.concepts import Concepts
from ml.heads import HeadOptions, Lessons, Report, TrainedHeads, train_heads
from ml.joint_encoder import JointEncoder, photo_features, text_features
from ml.look import fit_look
from ml.meaning import fit_meaning, said
from ml.ngram_basis import NgramBasis, fit_basis
from ml.progress import Progress

LOOK, MEANING = 192, 256
# Chosen on validation splits of real adverts: by full categories that are shared, by siblings that are found,
# and by listings that their titles find. Queries without any sense reach .29 to .43 at the first place, the
# tenth of "sofa", "iphone 12" or "hedge trimmer" has .40 to .74.
WEIGHTS, PHOTO_WEIGHTS, WORDS_WEIGHTS = (0.1, 0.25, 0.65), (0.6, 0.4, 0.0), (0.0, 0.2, 0.8)
LEAST_LIKENESS = 0.4
LEAST_LISTINGS, LEAST_CATEGORIES = 50, 2


class TooLittleToLearn(ValueError):
    """Too few listings, photos or categories to train heads on. The message says how many were found."""


@dataclass(frozen=True, eq=False)
class Material:
    """A catalogue to learn from: n listings and their p photos."""

    backbone: str  # version of the backbone of the features
    text_encoder: str  # version of the sentence encoder; empty without one
    features: Matrix  # (p, f) float16
    parts: Sequence[int]  # of the features: how many come from which stage of the backbone
    owners: Rows  # (p,) int64
    titles: Sequence[str]
    descriptions: Sequence[str]
    sentences: Matrix | None  # (n, 2 s) float16: of title and description, then of the title alone
    roots: Sequence[str]
    paths: Sequence[str]
    concepts: Concepts = field(default_factory=Concepts.none)  # of the backbone, as sentences

    def __post_init__(self) -> None:
        require_vector(self.owners, length=len(self.features), dtypes=[np.int64])
        if self.sentences is not None:
            columns = 2 * self.concepts.dimension or None
            require_matrix(self.sentences, rows=len(self.titles), columns=columns)

    @property
    def titles_as_queries(self) -> Matrix | None:
        """Sentences as if each listing said its title only."""
        if self.sentences is None:
            return None
        half = self.sentences.shape[1] // 2
        return np.hstack([self.sentences[:, half:]] * 2)


def fit_encoder(
    material: Material,
    held_out: np.ndarray,
    options: HeadOptions,
    *,
    progress: Progress | None = None,
    report: Report | None = None,
) -> tuple[JointEncoder, TrainedHeads]:
    """Train the heads and all around them; listings of held_out (n,) bool stop the training and calibrate it.

    Raises TooLittleToLearn, ml.heads.NotFinite.
    """
    _require_enough(material, held_out)
    learnt = taken(material, ~held_out)
    basis = fit_basis(learnt.titles, learnt.descriptions, seed=options.seed)
    labels = Labels.of(material.roots, material.paths)
    trained = train_heads(
        _lessons(material, basis, labels), held_out, options, progress=progress, report=report
    )
    encoder = _assembled(material, held_out, basis, labels, trained, options)
    return _calibrated(encoder, material, held_out).with_digest(), trained


def _require_enough(material: Material, held_out: np.ndarray) -> None:
    listings, categories = int((~held_out).sum()), len(set(material.roots))
    photos = int((~held_out[material.owners]).sum())
    if (
        listings < LEAST_LISTINGS
        or categories < LEAST_CATEGORIES
        or photos < LEAST_LISTINGS
        or not held_out.any()
    ):
        raise TooLittleToLearn(
            f"expected at least {LEAST_LISTINGS} listings and as many photos to learn from, of "
            f"{LEAST_CATEGORIES} root categories, and some to judge by; found {listings} listings, "
            f"{photos} photos, {categories} categories and {int(held_out.sum())} listings to judge by"
        )


def _lessons(material: Material, basis: NgramBasis, labels: Labels) -> Lessons:
    blank = [""] * len(material.titles)
    root_number = {name: number for number, name in enumerate(labels.roots)}
    leaf_number = {path: number for number, path in enumerate(labels.leaves)}
    photos = photo_features(material.concepts, material.features)
    texts = text_features(basis, material.titles, material.descriptions, material.sentences)
    return Lessons(
        photos=photos,
        owners=material.owners,
        texts=texts,
        titles=text_features(basis, material.titles, blank, material.titles_as_queries),
        photo_bridge=_from_last(photos.shape[1], material.concepts.dimension),
        text_bridge=_from_halves(texts.shape[1], material.concepts.dimension),
        roots=np.array([root_number[name] for name in material.roots], np.int64),
        leaves=np.array([leaf_number[path] for path in material.paths], np.int64),
        root_count=len(labels.roots),
        leaf_count=len(labels.leaves),
    )


def _from_last(width: int, shared: int) -> Matrix:
    """What takes the last columns.   -> (width, shared) float32"""
    return np.eye(width, dtype=np.float32)[:, width - shared :]


def _from_halves(width: int, shared: int) -> Matrix:
    """What takes the mean of the sentences, of all words and of the title.   -> (width, shared) float32"""
    identity = np.eye(width, dtype=np.float32)
    return (identity[:, :shared] + identity[:, shared : 2 * shared]) / 2


def _assembled(
    material: Material,
    held_out: np.ndarray,
    basis: NgramBasis,
    labels: Labels,
    trained: TrainedHeads,
    options: HeadOptions,
) -> JointEncoder:
    shown = material.features[~held_out[material.owners]]
    texts = text_features(basis, material.titles, material.descriptions, material.sentences)[~held_out]
    photos_say = said(trained.photo, photo_features(material.concepts, shown))
    return JointEncoder(
        backbone=material.backbone,
        text_encoder=material.text_encoder,
        blocks=Blocks(LOOK, MEANING, MEANING, WEIGHTS, PHOTO_WEIGHTS, WORDS_WEIGHTS, LEAST_LIKENESS),
        look=fit_look(shown, material.parts, LOOK, seed=options.seed),
        concepts=material.concepts,
        photo=trained.photo,
        words=trained.text,
        meaning=fit_meaning(photos_say, said(trained.text, texts), MEANING),
        ngrams=basis,
        classifier=Classifier(labels),
    )


def _calibrated(encoder: JointEncoder, material: Material, held_out: np.ndarray) -> JointEncoder:
    held = taken(material, held_out)
    evidence = encoder.evidence(held.features, held.owners, held.titles, held.descriptions, held.sentences)
    names = encoder.classifier.labels.roots
    roots = np.array([names.index(root) for root in held.roots])
    classifier = Classifier(encoder.classifier.labels, fit_calibration(evidence, roots))
    return JointEncoder(**{**vars(encoder), "classifier": classifier})


def taken(material: Material, chosen: np.ndarray) -> Material:
    """Some of the listings, (n,) bool, with their photos."""
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


def without_photos(material: Material, left_out: np.ndarray) -> Material:
    """The same listings with fewer photos.   left_out (p,) bool"""
    return replace(material, features=material.features[~left_out], owners=material.owners[~left_out])
