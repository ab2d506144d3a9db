"""The photo head and the text head as torch modules, with their training data and options.

Only workers and commands import this module, since it loads torch.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.arrays import Matrix, Rows, require_matrix, require_vector
from ml.encoder.head import Head

BRIDGE_LENGTH = 0.5  # mean length of the bridge's output, beside the learned layer's
INITIAL_WEIGHT_SCALE = (
    0.3  # factor of torch's initial weights, so that the learned layer starts below the bridge
)


@dataclass(frozen=True, eq=False)
class HeadTrainingData:
    """Training data of the heads: one row a listing, and its photos."""

    photos: Matrix  # (p, f) float32, features
    owners: Rows  # (p,) int64, the listing of each photo
    texts: Matrix  # (n, t) float32, of title and description
    titles: Matrix  # (n, t) float32, of the title alone
    photo_bridge: Matrix  # (f, s) float32: maps features into a space that photos and texts share untrained
    text_bridge: Matrix  # (t, s) float32; s = 0 without such a space
    roots: Rows  # (n,) int64, root category
    leaves: Rows  # (n,) int64, full category
    root_count: int
    leaf_count: int

    def __post_init__(self) -> None:
        require_matrix(self.photos, rows=len(self.owners))
        require_matrix(self.titles, rows=len(self.texts), columns=self.texts.shape[1])
        require_matrix(self.photo_bridge, rows=self.photos.shape[1])
        require_matrix(self.text_bridge, rows=self.texts.shape[1], columns=self.photo_bridge.shape[1])
        require_vector(self.roots, length=len(self.texts), dtypes=[np.int64])
        require_vector(self.leaves, length=len(self.texts), dtypes=[np.int64])


@dataclass(frozen=True)
class HeadOptions:
    """Architecture and training options of the heads, chosen on validation splits of real adverts."""

    joint: int = 384  # dimensions of the joint space of photos and words
    photo_hidden: int = 1024
    text_hidden: int = 1024
    dropout: float = 0.6
    epochs: int = 32
    joint_dropout: float = 0.5
    batch_size: int = 512
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warm_up: float = 0.05  # share of the steps
    smoothing: float = 0.1  # of labels
    leaf_weight: float = 0.5
    words_weight: float = 0.5  # of the photo-words contrastive loss
    sibling_weight: float = 0.5
    patience: int = 8  # epochs without improvement after which training ends
    seed: int = 0


class HeadModule(nn.Module):
    """Features -> a vector in the joint space; features -> hidden -> logits of root and full categories.

    The joint space has no hidden layer: with one, the head overfits a few thousand listings (title-to-photo
    recall .09 instead of .12). `bridge` is fixed.
    """

    def __init__(
        self, lessons: HeadTrainingData, features: Matrix, bridge: Matrix, hidden: int, options: HeadOptions
    ):
        super().__init__()
        self.mean = nn.Buffer(torch.from_numpy(features.mean(axis=0)))
        self.scale = nn.Buffer(torch.from_numpy(1 / (features.std(axis=0) + 1e-6)))
        self.dropout, self.joint_dropout = options.dropout, options.joint_dropout
        self.hidden = nn.Linear(features.shape[1], hidden)
        self.joint = nn.Linear(features.shape[1], options.joint)
        self.bridge = nn.Buffer(torch.from_numpy(_scaled(bridge, features, options.joint).T.copy()))
        self.root = nn.Linear(hidden, lessons.root_count)
        self.leaf = nn.Linear(hidden, lessons.leaf_count)
        with torch.no_grad():
            self.joint.weight.mul_(INITIAL_WEIGHT_SCALE)
            self.joint.bias.zero_()

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        standard = (features - self.mean) * self.scale
        joint = self.joint(self._drop(standard, self.joint_dropout)) + standard @ self.bridge.T
        hidden = self._drop(functional.relu(self.hidden(self._drop(standard, self.dropout))), self.dropout)
        return functional.normalize(joint), self.root(hidden), self.leaf(hidden)

    def _drop(self, values: Tensor, share: float) -> Tensor:
        return functional.dropout(values, share, self.training)

    def frozen(self) -> Head:
        arrays = {name: value.detach().numpy().copy() for name, value in self.state_dict().items()}
        arrays["joint.weight"] += arrays.pop("bridge")
        return Head.of(arrays)


def _scaled(bridge: Matrix, features: Matrix, joint: int) -> Matrix:
    """The bridge for standardised features, with outputs of mean length BRIDGE_LENGTH.

    (f, s) -> (f, joint) float32
    """
    padded = np.zeros((len(bridge), joint), np.float32)
    padded[:, : bridge.shape[1]] = bridge
    length = np.linalg.norm((features - features.mean(axis=0)) @ padded, axis=1).mean()
    return padded * (features.std(axis=0)[:, None] * BRIDGE_LENGTH / max(length, 1e-6)).astype(np.float32)


class Heads(nn.Module):
    """The photo head, the text head, and the logarithms of the two contrastive losses' scales."""

    def __init__(self, lessons: HeadTrainingData, options: HeadOptions, rows: Rows, photo_rows: Rows):
        super().__init__()
        photos, texts = lessons.photos[photo_rows], lessons.texts[rows]
        self.photo = HeadModule(lessons, photos, lessons.photo_bridge, options.photo_hidden, options)
        self.text = HeadModule(lessons, texts, lessons.text_bridge, options.text_hidden, options)
        self.scale = nn.Parameter(torch.tensor([math.log(20.0)] * 2))
