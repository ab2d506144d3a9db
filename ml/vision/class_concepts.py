"""Sentence embeddings of photos from a pretrained classifier's class names, without any training (ConSE).

Norouzi et al. 2014, "Zero-Shot Learning by Convex Combination of Semantic Embeddings".
"""

from dataclasses import dataclass, fields

import numpy as np
from scipy.special import softmax

from ml.arrays import Matrix, Vector, require_matrix, require_vector, unit_rows

TEMPERATURE = 2.0  # of the class probabilities, so that less likely classes contribute too


@dataclass(frozen=True, eq=False)
class ClassificationLayer:
    """The class names of a classifier, and its last layer, which predicts them from features."""

    names: tuple[str, ...]
    weight: Matrix  # (c, k) float32, for the first k features
    bias: Vector  # (c,) float32


@dataclass(frozen=True, eq=False)
class ClassConcepts:
    """A classifier's last layer, and the sentence embeddings of its class names."""

    weight: Matrix  # (c, k) float16, for the first k features
    bias: Vector  # (c,) float32
    meanings: Matrix  # (c, s) float16, unit length: sentence embeddings of the names

    @classmethod
    def of(cls, classes: ClassificationLayer, meanings: Matrix) -> "ClassConcepts":
        """Concepts from classes and the sentence embeddings of their names (c, s)."""
        require_matrix(meanings, rows=len(classes.names))
        require_vector(classes.bias, length=len(classes.names))
        return cls(classes.weight.astype(np.float16), classes.bias, meanings.astype(np.float16))

    @classmethod
    def none(cls) -> "ClassConcepts":
        """Empty concepts, for a backbone whose classes have no names: `read` returns no columns."""
        nothing = np.empty((0, 0), np.float16)
        return cls(nothing, np.empty(0, np.float32), nothing)

    @property
    def dimension(self) -> int:
        return self.meanings.shape[1]

    def read(self, features: Matrix) -> Matrix:
        """Mean embedding of the class names, weighted by the probabilities that photos show those classes.

        (p, f) -> (p, s) float32, unit length
        """
        if not self.dimension:
            return np.empty((len(features), 0), np.float32)
        inputs = np.asarray(features[:, : self.weight.shape[1]], np.float32)
        logits = inputs @ self.weight.astype(np.float32).T + self.bias
        return unit_rows(softmax(logits / TEMPERATURE, axis=1) @ self.meanings.astype(np.float32))

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays to save, by name."""
        return {f"concepts_{field.name}": getattr(self, field.name) for field in fields(self)}
