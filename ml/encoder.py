"""From stored photo features and words to a listing's vector, before anything was trained.

Only workers import this module: it loads scikit-learn. Serving compares the vectors with `ml.blocks`.
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
from ml.blocks import Blocks
from ml.text import NGRAM_COUNT, TEXT_RECIPE, hash_texts

KIND = "projection"
PHOTO_RECIPE = "centred-1"  # changes whenever a photo's features would count otherwise
LOOK_STREAM, MEANING_STREAM, WORDS_STREAM = 0, 1, 2  # each block draws from a random stream of its own
COLUMNS_PER_NGRAM = 4  # an n-gram in several columns collides wholly with no other


@dataclass(frozen=True, eq=False)
class Coded:
    """Listings and their photos in a space: (n, D) and (p, look + meaning), float16."""

    listings: Matrix
    photos: Matrix


class EncoderError(ValueError):
    """A saved encoder is not one that this module can bring back."""


@dataclass(frozen=True)
class ProjectionEncoder:
    """Seeded random projections (Johnson & Lindenstrauss 1984) of photo features and of hashed n-grams.

    Its parts are derived from these few values, so that is all there is to save, and `version` names it.
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
    ) -> Coded:
        """Vectors of listings: the mean of their photos, twice projected, beside their words.

        features (p, feature_dimension) float16, one row a photo; owners (p,) int, the listing of each.
        A listing without photos has zeros for look and meaning; sentences are for spaces that were trained.
        """
        require_matrix(features, columns=self.feature_dimension)
        require_vector(owners, length=len(features), dtypes=[np.int32, np.int64])
        pooled = pool_photos(features, owners, len(titles))  # (n, feature_dimension)
        words = hash_texts(titles, descriptions) @ self._words  # (n, words), sparse
        listings = np.hstack([self._photo_blocks(pooled), unit_rows(words.toarray())])
        return Coded(listings.astype(np.float16), self._photo_blocks(_centred(features)).astype(np.float16))

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
        """Bring back what `to_json` gave.   Raises EncoderError."""
        try:
            encoder = cls(
                backbone=saved["backbone"],
                feature_dimension=int(saved["feature_dimension"]),
                seed=int(saved["seed"]),
                blocks=Blocks(**saved["blocks"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise EncoderError(f"a saved encoder lacks or misstates {error}") from error
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
    """One unit row a listing, the mean of its photos' unit rows, or zeros.   (p, d) -> (n, d) float32"""
    pooled = np.zeros((listing_count, features.shape[1]), dtype=np.float32)
    np.add.at(pooled, owners, unit_rows(_centred(features)))
    return unit_rows(pooled)


def sparse_signs(rows: int, columns: int, rng: np.random.Generator) -> csr_matrix:
    """A random projection, mostly zeros (Achlioptas 2003).   -> (rows, columns) float32"""
    count = rows * COLUMNS_PER_NGRAM
    signs = rng.integers(0, 2, count).astype(np.float32) * 2 - 1
    places = rng.integers(0, columns, count)
    return csr_matrix((signs, places, np.arange(0, count + 1, COLUMNS_PER_NGRAM)), shape=(rows, columns))


def _centred(features: Matrix) -> Matrix:
    """Features with the level of their photo taken off.   (p, d) -> (p, d) float32

    Left on, two photos of anything have a cosine of .58 (seen with MobileNetV2); without it, of .13.
    """
    wide = np.asarray(features, dtype=np.float32)
    return wide - wide.mean(axis=1, keepdims=True)
