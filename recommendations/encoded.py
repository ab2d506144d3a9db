"""A query as the encode worker answers it: what its photo and words are in the space of one encoder."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ml.arrays import Vector


@dataclass(frozen=True)
class Suggestion:
    """A category's path and how likely it is, between 0 and 1."""

    path: str
    probability: float


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
class Encoded:
    """A query in the space of one encoder. Blocks that it cannot fill are zeros."""

    encoder_version: str
    vector: Vector  # (D,) float32: look, meaning, words
    photo: Vector = field(default_factory=lambda: np.empty(0, np.float32))  # (look + meaning,), or empty
    features: Vector = field(default_factory=lambda: np.empty(0, np.float32))  # of the backbone, or empty
    roots: tuple[Suggestion, ...] = ()  # root categories, likeliest first; none before a training
    leaves: tuple[Suggestion, ...] = ()  # full paths, likeliest first

    def to_json(self) -> dict[str, Any]:
        """What a message or a cache can carry."""
        return {
            "encoder_version": self.encoder_version,
            "vector": _packed(self.vector),
            "photo": _packed(self.photo),
            "features": _packed(self.features),
            "roots": [[one.path, one.probability] for one in self.roots],
            "leaves": [[one.path, one.probability] for one in self.leaves],
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "Encoded":
        """Bring back what `to_json` gave."""
        return cls(
            said["encoder_version"],
            *(_unpacked(said[name]) for name in ("vector", "photo", "features")),
            *(tuple(Suggestion(*pair) for pair in said[name]) for name in ("roots", "leaves")),
        )


def _packed(vector: Vector) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _unpacked(text: str) -> Vector:
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)
