"""The trained space: photos and words of a listing as vectors that can be compared with each other.

Only workers and commands import this module: it loads scikit-learn.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ml.arrays import Matrix, Rows, means_of, require_matrix, require_vector, unit_rows
from ml.blocks import Blocks
from ml.classifier import Calibration, Classifier, Evidence, Labels
from ml.concepts import Concepts
from ml.encoder import Coded
from ml.head import Head
from ml.look import Look, damped
from ml.meaning import Meaning
from ml.model_files import ModelFileError, read_arrays, read_settings, write_arrays, write_settings
from ml.ngram_basis import NgramBasis

KIND = "joint"
FORM = "joint-encoder-2"
HEADS, NGRAMS, LABELS, SETTINGS = "heads.npz", "ngrams.npz", "labels.json", "space.json"
PARTS: dict[str, Any] = {"look": Look, "meaning": Meaning, "concepts": Concepts}  # beside the heads


@dataclass(frozen=True, eq=False)
class JointEncoder:
    """Look from the features themselves, meaning and words through trained heads."""

    backbone: str  # version of the backbone whose features it takes
    text_encoder: str  # version of the sentence encoder whose features it takes; empty for n-grams alone
    blocks: Blocks
    look: Look
    concepts: Concepts
    photo: Head
    words: Head
    meaning: Meaning
    ngrams: NgramBasis
    classifier: Classifier
    named: Mapping[str, Any] = field(default_factory=dict)  # what else distinguishes it, for its version

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
    ) -> Coded:
        """Vectors of listings and of their photos.

        features (p, feature_dimension) float16, one row a photo; owners (p,) int, the listing of each;
        sentences (n, t) of the text encoder, if there is one. A listing without photos carries its words
        where others carry the meaning of their photos, or words would never find it beside them.
        """
        require_matrix(features, columns=self.feature_dimension)
        require_vector(owners, length=len(features), dtypes=[np.int32, np.int64])
        photos = self._photo_blocks(features)  # (p, look + meaning)
        pooled = _pooled(photos, owners, len(titles), self.blocks)
        words = self._words_block(titles, descriptions, sentences)  # (n, meaning)
        without = np.bincount(owners, minlength=len(titles)) == 0
        pooled[without, self.blocks.look :] = words[without]
        return Coded(np.hstack([pooled, words]).astype(np.float16), photos.astype(np.float16))

    def evidence(
        self,
        features: Matrix,
        owners: Rows,
        titles: Sequence[str],
        descriptions: Sequence[str],
        sentences: Matrix | None = None,
    ) -> Evidence:
        """What the heads say of the categories of listings; arguments as for `encode`."""
        by_photo = self._sides(self.photo, photo_features(self.concepts, features))
        texts, said = self._texts(titles, descriptions, sentences)
        by_words = self._sides(self.words, texts)
        for side in by_words:
            side[~said] = np.nan
        photo_roots, photo_leaves = (means_of(side, owners, len(titles)) for side in by_photo)
        return Evidence(photo_roots, by_words[0], photo_leaves, by_words[1])

    def _sides(self, head: Head, features: Matrix) -> tuple[Matrix, Matrix]:
        hidden = head.hidden(features)
        return self.classifier.side(head.roots(hidden), head.leaves(hidden))

    def _photo_blocks(self, features: Matrix) -> Matrix:
        """(p, feature_dimension) -> (p, look + meaning) float32, each block of unit length"""
        meaning = self.meaning.of_photos(self.photo, photo_features(self.concepts, features))
        return np.hstack([self.look.read(features), meaning])

    def _words_block(
        self, titles: Sequence[str], descriptions: Sequence[str], sentences: Matrix | None
    ) -> Matrix:
        """-> (n, words) float32, unit length; zeros where nothing is said"""
        texts, said = self._texts(titles, descriptions, sentences)
        words = self.meaning.of_words(self.words, texts)
        words[~said] = 0
        return words

    def _texts(
        self, titles: Sequence[str], descriptions: Sequence[str], sentences: Matrix | None
    ) -> tuple[Matrix, np.ndarray]:
        """What the words head takes, (n, t) float32, and of whom there is something, (n,) bool."""
        said = np.array(
            [bool(title.strip() or text.strip()) for title, text in zip(titles, descriptions, strict=True)]
        )
        return text_features(self.ngrams, titles, descriptions, sentences), said

    @property
    def version(self) -> str:
        return f"{KIND}-{self.named['digest'][:12]}"

    def save(self, folder: Path) -> None:
        """Write its files into a folder."""
        write_arrays(folder / HEADS, self._arrays())
        write_arrays(folder / NGRAMS, self.ngrams.arrays())
        write_settings(folder / LABELS, self.classifier.labels.to_json(), form=FORM)
        write_settings(folder / SETTINGS, self.to_json(), form=FORM)

    def to_json(self) -> dict[str, Any]:
        """All but the arrays and the labels."""
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
        """Bring back what `save` wrote.   Raises ModelFileError."""
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
                ngrams=NgramBasis(**read_arrays(folder / NGRAMS, ["columns", "weights", "axes"])),
                classifier=Classifier(
                    Labels.from_json(read_settings(folder / LABELS, form=FORM)),
                    Calibration(**saved["calibration"]),
                ),
                named=saved["named"],
            )
        except (KeyError, TypeError) as error:
            raise ModelFileError(f"{folder} lacks or misstates {error}") from error

    def with_digest(self) -> "JointEncoder":
        """The same encoder, named after what it holds."""
        digest = hashlib.sha256(repr(sorted(self.to_json().items())).encode())
        for name, array in sorted(self._arrays().items()):
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
        return JointEncoder(**{**vars(self), "named": {**self.named, "digest": digest.hexdigest()}})

    def _arrays(self) -> dict[str, np.ndarray]:
        parts = self.look.arrays() | self.meaning.arrays() | self.concepts.arrays()
        return parts | self.photo.arrays("photo") | self.words.arrays("words")


def _part(kind: Any, name: str, arrays: Mapping[str, np.ndarray]) -> Any:
    return kind(*(arrays[f"{name}_{field.name}"] for field in fields(kind)))


def photo_features(concepts: Concepts, features: Matrix) -> Matrix:
    """What the photo head takes: damped backbone features beside concepts.   -> (p, f + s) float32"""
    return np.hstack([damped(features), concepts.read(features)])


def text_features(
    ngrams: NgramBasis, titles: Sequence[str], descriptions: Sequence[str], sentences: Matrix | None
) -> Matrix:
    """What the words head takes: sentences, if there are any, beside n-grams.   -> (n, t) float32"""
    lexical = ngrams.read(titles, descriptions)
    return lexical if sentences is None else np.hstack([np.asarray(sentences, np.float32), lexical])


def _pooled(photos: Matrix, owners: Rows, listing_count: int, blocks: Blocks) -> Matrix:
    """Means of photos by listing, each block of unit length; zeros without photos.   (p, d) -> (n, d)"""
    pooled = np.zeros((listing_count, photos.shape[1]), dtype=np.float32)
    np.add.at(pooled, owners, photos)
    return np.hstack([unit_rows(pooled[:, : blocks.look]), unit_rows(pooled[:, blocks.look :])])
