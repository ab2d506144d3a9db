"""Training labels of photos: categories, and finer labels within them where they are known."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

FINER_WEIGHT = 0.5  # of the finer labels' loss; the categories' loss has 1
LEAST_SHARE = 1e-12  # of a probability before its logarithm is taken


@dataclass(frozen=True)
class PhotoLabels:
    """The class of each photo. A class is a finer label within one category, or the category itself."""

    categories: tuple[str, ...]
    classes: Tensor  # (n,) int64, of each photo
    category_of: Tensor  # (class_count,) int64

    @property
    def class_count(self) -> int:
        return len(self.category_of)

    @property
    def has_finer(self) -> bool:
        return self.class_count > len(self.categories)

    def category_logs(self, logits: Tensor) -> Tensor:
        """Log-probabilities of the categories, each summed over its classes.

        logits (b, class_count) -> (b, category_count) float32
        """
        shares = logits.float().softmax(dim=1) @ self._membership(logits.device)
        return shares.clamp(min=LEAST_SHARE).log()

    def loss(self, logits: Tensor, classes: Tensor, smoothing: float) -> Tensor:
        """Mean cross-entropy of photos of these classes (b,), of categories and of finer labels."""
        categories = self.category_of.to(logits.device)[classes]
        loss = functional.cross_entropy(self.category_logs(logits), categories, label_smoothing=smoothing)
        if self.has_finer:
            loss += FINER_WEIGHT * functional.cross_entropy(
                logits.float(), classes, label_smoothing=smoothing
            )
        return loss

    def _membership(self, device: torch.device) -> Tensor:
        return functional.one_hot(self.category_of, len(self.categories)).float().to(device)


def make_photo_labels(labels: Sequence[str], finer: Sequence[str] | None = None) -> PhotoLabels:
    """Targets from photos' labels. A finer label in several categories is one class in each."""
    pairs = list(zip(labels, finer or labels, strict=True))
    categories, classes = sorted(set(labels)), sorted(set(pairs))
    category_number = {label: number for number, label in enumerate(categories)}
    class_number = {pair: number for number, pair in enumerate(classes)}
    return PhotoLabels(
        tuple(categories),
        torch.tensor([class_number[pair] for pair in pairs]),
        torch.tensor([category_number[label] for label, _ in classes]),
    )
