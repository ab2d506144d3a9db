"""The trained encoder: photos and words of listings as vectors in one joint space.

Only workers and commands import this module, since it loads scikit-learn.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ml.arrays import Matrix, Rows, means_of, require_matrix, require_vector, unit_rows
from ml.encoder.blocks import Blocks
from ml.encoder.classifier import Calibration, Classifier, Evidence, Labels
from ml.encoder.head import Head
from ml.encoder.look import Look, signed_sqrt
from ml.encoder.meaning import Meaning
from ml.encoder.ngram_lsa import NgramLsa
from ml.encoder.projection import EncodedListings
from ml.model_files import ModelFileError, read_arrays, read_settings, write_arrays, write_settings
from ml.vision.class_concepts import ClassConcepts

KIND = "joint"
FORM = "joint-encoder-2"
HEADS, NGRAMS, LABELS, SETTINGS = "heads.npz", "ngrams.npz", "labels.json", "space.json"
PARTS: dict[str, Any] = {"look": Look, "meaning": Meaning, "concepts": ClassConcepts}  # beside the heads


@dataclass(frozen=True, eq=False)
class JointEncoder:
    """Encoder whose look block comes from the features themselves, meaning and words from trained heads."""

    backbone: str  # version of the backbone whose features it takes
    text_encoder: str  # version of the sentence encoder whose embeddings it takes; empty for n-grams alone
    blocks: Blocks
    look: Look
    concepts: ClassConcepts
    photo: Head
    words: Head
    meaning: Meaning
    ngrams: NgramLsa
    classifier: Classifier
    named: Mapping[str, Any] = field(
        default_factory=dict
    )  # metadata that `version` depends on, the digest too

    @property
    def feature_dimension(self) -> int:
        return len(self.look.mean)

    def encode(
        self,
        features: Matrix,
        owners: Rows,
        titles: Sequence[str],
        descriptions: Sequence[str],
        sentences: Matrix | None = None,
    ) -> EncodedListings:
        """Vectors of listings and of their photos.

        features (p, feature_dimension) float16, one row a photo; owners (p,) int, the listing of each;
        sentences (n, t) of the text encoder, if there is one. A listing without photos has its words vector
        in the meaning block, so that searches by words rank it fairly beside listings with photos.
        """
        require_matrix(features, columns=self.feature_dimension)
        require_vector(owners, length=len(features), dtypes=[np.int32, np.int64])
        photos = self._photo_blocks(features)  # (p, look + meaning)
        pooled = _pooled(photos, owners, len(titles), self.blocks)
        words = self._words_block(titles, descriptions, sentences)  # (n, meaning)
        is_photoless = np.bincount(owners, minlength=len(titles)) == 0
        pooled[is_photoless, self.blocks.look :] = words[is_photoless]
        return EncodedListings(np.hstack([pooled, words]).astype(np.float16), photos.astype(np.float16))

    def evidence(
        self,
        features: Matrix,
        owners: Rows,
        titles: Sequence[str],
        descriptions: Sequence[str],
        sentences: Matrix | None = None,
    ) -> Evidence:
        """The heads' log-probabilities of listings' categories; arguments as for `encode`."""
        by_photo = self._category_logs(self.photo, photo_features(self.concepts, features))
        texts, has_words = self._texts(titles, descriptions, sentences)
        by_words = self._category_logs(self.words, texts)
        for side in by_words:
            side[~has_words] = np.nan
        photo_roots, photo_leaves = (means_of(side, owners, len(titles)) for side in by_photo)
        return Evidence(photo_roots, by_words[0], photo_leaves, by_words[1])

    def _category_logs(self, head: Head, features: Matrix) -> tuple[Matrix, Matrix]:
        hidden = head.hidden(features)
        return self.classifier.side(head.roots(hidden), head.leaves(hidden))

    def _photo_blocks(self, features: Matrix) -> Matrix:
        """(p, feature_dimension) -> (p, look + meaning) float32, each block of unit length"""
        meaning = self.meaning.of_photos(self.photo, photo_features(self.concepts, features))
        return np.hstack([self.look.read(features), meaning])

    def _words_block(
        self, titles: Sequence[str], descriptions: Sequence[str], sentences: Matrix | None
    ) -> Matrix:
        """-> (n, words) float32, unit length; zeros for listings without words"""
        texts, has_words = self._texts(titles, descriptions, sentences)
        words = self.meaning.of_words(self.words, texts)
        words[~has_words] = 0
        return words

    def _texts(
        self, titles: Sequence[str], descriptions: Sequence[str], sentences: Matrix | None
    ) -> tuple[Matrix, np.ndarray]:
        """Inputs of the words head, (n, t) float32, and which listings have any words, (n,) bool."""
        has_words = np.array(
            [bool(title.strip() or text.strip()) for title, text in zip(titles, descriptions, strict=True)]
        )
        return text_features(self.ngrams, titles, descriptions, sentences), has_words

    @property
    def version(self) -> str:
        return f"{KIND}-{self.named['digest'][:12]}"

    def save(self, folder: Path) -> None:
        """Write the encoder's files into a folder."""
        write_arrays(folder / HEADS, self._arrays())
        write_arrays(folder / NGRAMS, self.ngrams.arrays())
        write_settings(folder / LABELS, self.classifier.labels.to_json(), form=FORM)
        write_settings(folder / SETTINGS, self.to_json(), form=FORM)

    def to_json(self) -> dict[str, Any]:
        """The settings: everything but the arrays and the labels."""
        return {
            "kind": KIND,
            "backbone": self.backbone,
            "text_encoder": self.text_encoder,
            "feature_dimension": self.feature_dimension,
            "blocks": self.blocks.to_json(),
            "calibration": vars(self.classifier.calibration),
            "named": dict(self.named),
        }

    @classmethod
    def load(cls, folder: Path) -> "JointEncoder":
        """Read what `save` wrote.   Raises ModelFileError."""
        saved = read_settings(folder / SETTINGS, form=FORM)
        names = [f"{part}_{field.name}" for part, kind in PARTS.items() for field in fields(kind)]
        arrays = read_arrays(folder / HEADS, [*names, *Head.names("photo"), *Head.names("words")])
        try:
            return cls(
                backbone=saved["backbone"],
                text_encoder=saved["text_encoder"],
                blocks=Blocks(**saved["blocks"]),
                **{part: _part(kind, part, arrays) for part, kind in PARTS.items()},
                photo=Head.from_arrays(arrays, "photo"),
                words=Head.from_arrays(arrays, "words"),
                ngrams=NgramLsa(**read_arrays(folder / NGRAMS, ["columns", "weights", "axes"])),
                classifier=Classifier(
                    Labels.from_json(read_settings(folder / LABELS, form=FORM)),
                    Calibration(**saved["calibration"]),
                ),
                named=saved["named"],
            )
        except (KeyError, TypeError) as error:
            raise ModelFileError(f"{folder} has a missing or wrong value: {error}") from error

    def with_digest(self) -> "JointEncoder":
        """The same encoder with a digest of its contents, which `version` needs."""
        digest = hashlib.sha256(repr(sorted(self.to_json().items())).encode())
        for name, array in sorted(self._arrays().items()):
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
        return JointEncoder(**{**vars(self), "named": {**self.named, "digest": digest.hexdigest()}})

    def _arrays(self) -> dict[str, np.ndarray]:
        parts = self.look.arrays() | self.meaning.arrays() | self.concepts.arrays()
        return parts | self.photo.arrays("photo") | self.words.arrays("words")


def _part(kind: Any, name: str, arrays: Mapping[str, np.ndarray]) -> Any:
    return kind(*(arrays[f"{name}_{field.name}"] for field in fields(kind)))


def photo_features(concepts: ClassConcepts, features: Matrix) -> Matrix:
    """Inputs of the photo head: damped backbone features and concepts.   -> (p, f + s) float32"""
    return np.hstack([signed_sqrt(features), concepts.read(features)])


def text_features(
    ngrams: NgramLsa, titles: Sequence[str], descriptions: Sequence[str], sentences: Matrix | None
) -> Matrix:
    """Inputs of the words head: sentences, if there are any, and n-grams.   -> (n, t) float32"""
    lexical = ngrams.read(titles, descriptions)
    return lexical if sentences is None else np.hstack([np.asarray(sentences, np.float32), lexical])


def _pooled(photos: Matrix, owners: Rows, listing_count: int, blocks: Blocks) -> Matrix:
    """Mean of each listing's photos, each block of unit length; zeros without photos.   (p, d) -> (n, d)"""
    pooled = np.zeros((listing_count, photos.shape[1]), dtype=np.float32)
    np.add.at(pooled, owners, photos)
    return np.hstack([unit_rows(pooled[:, : blocks.look]), unit_rows(pooled[:, blocks.look :])])
