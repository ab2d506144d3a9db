"""A frozen torchvision classifier that turns photos into features."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ml.arrays import Matrix
from ml.photos import Photo, open_photos, square_pixels
from ml.weights import FETCH_TIMEOUT_S, BadBackbone, Weights, WeightsError, find_weights, models

MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)  # of ImageNet, by channel, in [0, 1]
DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)
BATCH_SIZE = 32


class Backbone:
    """Penultimate features of one classifier with one set of weights. `version` names both."""

    def __init__(self, weights: Weights):
        """Raises BadBackbone when the classifier has no linear end, WeightsError when weights do not fit."""
        model, self.dimension = headless(weights)
        self.name, self.digest, self.source = weights.name, weights.digest, weights.source
        self.input_size = weights.input_size
        self.version = f"{weights.name}-{weights.digest[:12]}"
        self._dtype = fastest_dtype()
        self._model = model.eval().to(self._dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, photos: Sequence[Photo]) -> Matrix:
        """Features of photos (paths, open files or pictures), decoded a batch at a time.

        Returns (n, dimension) float16. Raises UnreadablePhoto, which names the photo and its position.
        """
        found = np.empty((len(photos), self.dimension), dtype=np.float16)
        for first in range(0, len(photos), BATCH_SIZE):
            batch = open_photos(photos[first : first + BATCH_SIZE], self.input_size, first)
            found[first : first + BATCH_SIZE] = self._forward(batch)
        return found

    @torch.inference_mode()
    def _forward(self, pictures: list[Image.Image]) -> np.ndarray:
        inputs = as_inputs(pictures, self.input_size)
        output = self._model(inputs.to(dtype=self._dtype, memory_format=torch.channels_last))
        return output.float().numpy()


def load_backbone(
    name: str | None, weights_file: Path | None = None, *, fetch_timeout_s: float = FETCH_TIMEOUT_S
) -> Backbone:
    """The backbone by that name, with the weights that `find_weights` finds; its errors pass through."""
    return Backbone(find_weights(name, weights_file, fetch_timeout_s=fetch_timeout_s))


def headless(weights: Weights) -> tuple[nn.Module, int]:
    """The classifier with its last linear layer taken off, and the length of what that layer was fed."""
    model = build_classifier(weights.name, _class_count(weights))
    _load(model, weights)
    last = last_linear(model, weights.name)
    dimension = model.get_submodule(last).in_features
    model.set_submodule(last, nn.Identity())
    return model, int(dimension)  # type: ignore[arg-type]


def build_classifier(name: str, class_count: int) -> nn.Module:
    """An untrained torchvision classifier."""
    return models.get_model(name, weights=None, num_classes=class_count)


def last_linear(model: nn.Module, name: str) -> str:
    """Path of the classifier's last linear layer.   Raises BadBackbone when there is none."""
    linear = [path for path, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise BadBackbone(
            f"{name} does not end in a linear layer; accepted: classifiers that do, like resnet50"
        )
    return linear[-1]


def as_inputs(pictures: list[Image.Image], size: int) -> Tensor:
    """RGB pictures as squares, less ImageNet's mean, by its deviation.   -> (n, 3, size, size) float32"""
    pixels = np.stack([square_pixels(picture, size) for picture in pictures])  # (n, size, size, 3) uint8
    return torch.from_numpy((pixels / np.float32(255) - MEAN) / DEVIATION).permute(0, 3, 1, 2)


def fastest_dtype() -> torch.dtype:
    """bfloat16 where the CPU multiplies it natively, which is then about twice as fast; else float32."""
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else torch.float32


def _class_count(weights: Weights) -> int:
    with torch.device("meta"):  # the shape of the house, without the furniture
        last = last_linear(build_classifier(weights.name, 1000), weights.name)
    head = weights.state.get(f"{last}.weight")
    return 1000 if head is None else head.shape[0]


def _load(model: nn.Module, weights: Weights) -> None:
    expected, found = set(model.state_dict()), set(weights.state)
    try:
        model.load_state_dict(weights.state)
    except RuntimeError:
        odd = ", ".join(sorted(expected ^ found)[:3]) or "shapes differ"
        raise WeightsError(
            f"{weights.source} holds {len(found)} tensors that do not fit {weights.name} ({odd}); "
            f"accepted: the {len(expected)} of torchvision's {weights.name}"
        ) from None
