"""The untrained encoder: listing vectors by random projection of photo features and hashed n-grams.

Only workers import this module, since it loads scikit-learn. Serving compares the vectors by
`ml.encoder.blocks`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from ml.arrays import Matrix, Rows, require_matrix, require_vector, unit_rows
from ml.encoder.blocks import Blocks
from ml.encoder.text import NGRAM_COUNT, TEXT_RECIPE, hash_texts

KIND = "projection"
PHOTO_RECIPE = "centred-1"  # change it whenever the same features would give other vectors
LOOK_STREAM, MEANING_STREAM, WORDS_STREAM = 0, 1, 2  # each block has its own random stream
COLUMNS_PER_NGRAM = 4  # with several columns each, hardly any two n-grams collide in all of them


@dataclass(frozen=True, eq=False)
class EncodedListings:
    """Vectors of listings (n, D) and of their photos (p, look + meaning), float16."""

    listings: Matrix
    photos: Matrix


class EncoderError(ValueError):
    """A saved encoder has missing, wrong or unknown values, so this module cannot load it."""


@dataclass(frozen=True)
class ProjectionEncoder:
    """Seeded random projections (Johnson & Lindenstrauss 1984) of photo features and of hashed n-grams.

    The matrices are derived from these few values, which is all that is saved. `version` is their digest.
    """

    backbone: str  # version of the backbone whose features it takes
    feature_dimension: int
    seed: int = 0
    blocks: Blocks = field(default_factory=Blocks)
    text_encoder: ClassVar[str] = ""

    @property
    def version(self) -> str:
        text = json.dumps(self.to_json(), sort_keys=True)
        return f"{KIND}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def dimension(self) -> int:
        return self.blocks.dimension

    def encode(
        self,
        features: Matrix,
        owners: Rows,
        titles: Sequence[str],
        descriptions: Sequence[str],
        sentences: Matrix | None = None,
    ) -> EncodedListings:
        """Vectors of listings: two projections of the mean of their photos, and one of their words.

        features (p, feature_dimension) float16, one row a photo; owners (p,) int, the listing of each.
        A listing without photos has zeros for look and meaning. Only trained encoders use sentences.
        """
        require_matrix(features, columns=self.feature_dimension)
        require_vector(owners, length=len(features), dtypes=[np.int32, np.int64])
        pooled = pool_photos(features, owners, len(titles))  # (n, feature_dimension)
        words = hash_texts(titles, descriptions) @ self._words  # (n, words), sparse
        listings = np.hstack([self._photo_blocks(pooled), unit_rows(words.toarray())])
        return EncodedListings(
            listings.astype(np.float16), self._photo_blocks(_centred(features)).astype(np.float16)
        )

    def _photo_blocks(self, photos: Matrix) -> Matrix:
        """Look and meaning, each of unit length.   (n, feature_dimension) -> (n, look + meaning) float32"""
        return np.hstack([unit_rows(photos @ self._look), unit_rows(photos @ self._meaning)])

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": KIND,
            "photos": PHOTO_RECIPE,
            "text": TEXT_RECIPE,
            "backbone": self.backbone,
            "feature_dimension": self.feature_dimension,
            "seed": self.seed,
            "blocks": self.blocks.to_json(),
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "ProjectionEncoder":
        """The encoder that `to_json` saved.   Raises EncoderError."""
        try:
            encoder = cls(
                backbone=saved["backbone"],
                feature_dimension=int(saved["feature_dimension"]),
                seed=int(saved["seed"]),
                blocks=Blocks(**saved["blocks"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise EncoderError(f"a saved encoder has a missing or wrong value: {error}") from error
        if encoder.to_json() != dict(saved):
            raise EncoderError(f"expected {encoder.to_json()}, found {dict(saved)}")
        return encoder

    @cached_property
    def _look(self) -> Matrix:
        return self._gaussian(LOOK_STREAM, self.blocks.look)

    @cached_property
    def _meaning(self) -> Matrix:
        return self._gaussian(MEANING_STREAM, self.blocks.meaning)

    @cached_property
    def _words(self) -> csr_matrix:
        rng = np.random.default_rng([self.seed, WORDS_STREAM])
        return sparse_signs(NGRAM_COUNT, self.blocks.words, rng)

    def _gaussian(self, stream: int, columns: int) -> Matrix:
        """-> (feature_dimension, columns) float32"""
        rng = np.random.default_rng([self.seed, stream])
        return rng.standard_normal((self.feature_dimension, columns), dtype=np.float32)


def pool_photos(features: Matrix, owners: Rows, listing_count: int) -> Matrix:
    """A unit row for each listing, the mean of its photos' unit rows, or zeros.   (p, d) -> (n, d) float32"""
    pooled = np.zeros((listing_count, features.shape[1]), dtype=np.float32)
    np.add.at(pooled, owners, unit_rows(_centred(features)))
    return unit_rows(pooled)


def sparse_signs(rows: int, columns: int, rng: np.random.Generator) -> csr_matrix:
    """A sparse random projection (Achlioptas 2003).   -> (rows, columns) float32"""
    count = rows * COLUMNS_PER_NGRAM
    signs = rng.integers(0, 2, count).astype(np.float32) * 2 - 1
    places = rng.integers(0, columns, count)
    return csr_matrix((signs, places, np.arange(0, count + 1, COLUMNS_PER_NGRAM)), shape=(rows, columns))


def _centred(features: Matrix) -> Matrix:
    """Features less the mean of their row.   (p, d) -> (p, d) float32

    It lowers the mean cosine of two random photos from .58 to .13 (with MobileNetV2).
    """
    wide = np.asarray(features, dtype=np.float32)
    return wide - wide.mean(axis=1, keepdims=True)
