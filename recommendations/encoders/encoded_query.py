"""Encoded query: the answer of the encode worker, with the vectors of one encoder."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ml.arrays import Vector


@dataclass(frozen=True)
class CategorySuggestion:
    """The path of a category and its probability, between 0 and 1."""

    path: str
    probability: float


@dataclass(frozen=True, eq=False)  # == on arrays is elementwise
class EncodedQuery:
    """A query as vectors of one encoder. Blocks without a photo or words are zeros."""

    encoder_version: str
    vector: Vector  # (D,) float32: look, meaning, words
    photo: Vector = field(default_factory=lambda: np.empty(0, np.float32))  # (look + meaning,), or empty
    features: Vector = field(default_factory=lambda: np.empty(0, np.float32))  # of the backbone, or empty
    roots: tuple[CategorySuggestion, ...] = ()  # root categories, most probable first; none before a training
    leaves: tuple[CategorySuggestion, ...] = ()  # full paths, most probable first

    def to_json(self) -> dict[str, Any]:
        """The query as values of JSON, for replies and the cache."""
        return {
            "encoder_version": self.encoder_version,
            "vector": _packed(self.vector),
            "photo": _packed(self.photo),
            "features": _packed(self.features),
            "roots": [[one.path, one.probability] for one in self.roots],
            "leaves": [[one.path, one.probability] for one in self.leaves],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "EncodedQuery":
        """The query of which these values are the `to_json`. Raises KeyError, ValueError, TypeError."""
        return cls(
            values["encoder_version"],
            vector=_unpacked(values["vector"]),
            photo=_unpacked(values["photo"]),
            features=_unpacked(values["features"]),
            roots=tuple(CategorySuggestion(*pair) for pair in values["roots"]),
            leaves=tuple(CategorySuggestion(*pair) for pair in values["leaves"]),
        )


def _packed(vector: Vector) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _unpacked(text: str) -> Vector:
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)
