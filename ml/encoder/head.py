"""Inference of a trained head in numpy: from features to joint-space vectors and category logits."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from ml.arrays import Matrix, Vector, require_matrix, unit_rows


@dataclass(frozen=True, eq=False)
class Head:
    """Weights of a head: a linear layer into the joint space, and a hidden one (ReLU) before category logits.

    f features, h hidden, j dimensions of the joint space, r root and l leaf categories.
    """

    mean: Vector  # (f,)
    scale: Vector  # (f,) 1 / standard deviation
    hidden_weight: Matrix  # (h, f)
    hidden_bias: Vector  # (h,)
    joint_weight: Matrix  # (j, f)
    joint_bias: Vector  # (j,)
    root_weight: Matrix  # (r, h)
    root_bias: Vector  # (r,)
    leaf_weight: Matrix  # (l, h)
    leaf_bias: Vector  # (l,)

    @classmethod
    def of(cls, state: Mapping[str, np.ndarray]) -> "Head":
        """From a torch state dict's arrays, named `hidden.weight` and so on."""
        return cls(**{field.name: state[_module_name(field.name)] for field in fields(cls)})

    def hidden(self, features: Matrix) -> Matrix:
        """Activations of the hidden layer.   (n, f) -> (n, h) float32"""
        return np.maximum(self._standard(features) @ self.hidden_weight.T + self.hidden_bias, 0)

    def joint(self, features: Matrix) -> Matrix:
        """Vectors in the joint space.   (n, f) -> (n, j) float32, unit length"""
        return unit_rows(self._standard(features) @ self.joint_weight.T + self.joint_bias)

    def _standard(self, features: Matrix) -> Matrix:
        require_matrix(features, columns=len(self.mean))
        return (np.asarray(features, dtype=np.float32) - self.mean) * self.scale

    def roots(self, hidden: Matrix) -> Matrix:
        """Logits of the root categories.   (n, h) -> (n, r) float32"""
        return hidden @ self.root_weight.T + self.root_bias

    def leaves(self, hidden: Matrix) -> Matrix:
        """Logits of the full categories.   (n, h) -> (n, l) float32"""
        return hidden @ self.leaf_weight.T + self.leaf_bias

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """The arrays to save, by prefixed name."""
        return {f"{prefix}_{field.name}": getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], prefix: str) -> "Head":
        """The head whose arrays `arrays` returned. Raises KeyError."""
        return cls(**{field.name: arrays[f"{prefix}_{field.name}"] for field in fields(cls)})

    @staticmethod
    def names(prefix: str) -> list[str]:
        """The names that `arrays` uses."""
        return [f"{prefix}_{field.name}" for field in fields(Head)]


def _module_name(name: str) -> str:
    part, _, kind = name.rpartition("_")
    return f"{part}.{kind}" if kind in ("weight", "bias") and part else name
