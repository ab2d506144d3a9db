"""Feature extraction from photos by a frozen classifier."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ml.arrays import Matrix
from ml.vision.class_concepts import ClassificationLayer
from ml.vision.classifiers import (
    DEVIATION,
    MEAN,
    build_classifier,
    class_names,
    fold_batch_norms,
    last_linear_of,
)
from ml.vision.image_decoding import Photo, open_photos, square_pixels
from ml.vision.weights import (
    FETCH_TIMEOUT_S,
    BackboneWeights,
    WeightsError,
    find_weights,
)

BATCH_SIZE = 32
RECIPE = "stages-1"  # change it whenever the same photo would get other features
STAGE_COUNT = 2
STAGE_PROBE_SIZE = 224  # pixels: large enough for every classifier to end with maps


class Backbone:
    """Photo features by one classifier with one set of weights. `version` identifies both.

    Features are the penultimate layer, followed by the spatial means of the maps that the two stages before
    it end with. Those carry surfaces, colours and backgrounds, which the last layer has learnt to ignore.
    With them recall@1 of the other photo of a listing is .48 on real adverts, without them .43.
    """

    def __init__(self, weights: BackboneWeights):
        """Raises BadBackbone unless the last layer is linear, WeightsError when the weights do not fit."""
        model, penultimate = headless(weights)
        self.classes = _classes(weights)  # the classes it was trained on; None when they have no names
        self.name, self.digest, self.source = weights.name, weights.digest, weights.source
        self.input_size = weights.input_size
        self.version = f"{weights.name}-{weights.digest[:12]}-{RECIPE}"
        self._dtype = fastest_dtype()
        self._model = fold_batch_norms(model.eval()).to(self._dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._stages = _StageMeans(
            self._model, torch.zeros(1, 3, STAGE_PROBE_SIZE, STAGE_PROBE_SIZE, dtype=self._dtype)
        )
        self.parts = (penultimate, *self._stages.widths)  # lengths of the parts of a feature vector, in order
        self.dimension = sum(self.parts)

    def features(self, photos: Sequence[Photo]) -> Matrix:
        """Features of photos (paths, open files or PIL images), decoded and computed in batches.

        Returns (n, dimension) float16. Raises UnreadablePhoto with the photo's name and position.
        """
        features = np.empty((len(photos), self.dimension), dtype=np.float16)
        for first in range(0, len(photos), BATCH_SIZE):
            batch = open_photos(photos[first : first + BATCH_SIZE], self.input_size, first)
            features[first : first + BATCH_SIZE] = self._forward(batch)
        return features

    @torch.inference_mode()
    def _forward(self, pictures: list[Image.Image]) -> np.ndarray:
        inputs = as_inputs(pictures, self.input_size)
        last = self._model(inputs.to(dtype=self._dtype, memory_format=torch.channels_last))
        return torch.cat([last.float(), *self._stages.of_last_batch()], dim=1).numpy()


class _StageMeans:
    """Spatial means of the maps that a model's earlier stages end with, recorded by forward hooks.

    A stage ends where the maps become smaller. Models without maps have no stages.
    """

    def __init__(self, model: nn.Module, trial: Tensor):
        self._means: dict[int, Tensor] = {}
        ends = _ends_of_stages(model, trial)[-1 - STAGE_COUNT : -1]
        for number, (module, _) in enumerate(ends):
            module.register_forward_hook(functools.partial(self._record, number))
        self.widths = tuple(width for _, width in ends)

    def of_last_batch(self) -> list[Tensor]:
        """Means of the batch that ran last: (n, width) float32 for each stage."""
        return [self._means[number] for number in range(len(self.widths))]

    def _record(self, number: int, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._means[number] = output.float().mean(dim=(2, 3))


@torch.inference_mode()
def _ends_of_stages(model: nn.Module, trial: Tensor) -> list[tuple[nn.Module, int]]:
    """The last block of each stage and the number of its maps, in the order in which they run."""
    last_of_side: dict[int, tuple[nn.Module, int]] = {}  # by the side of the maps, in pixels

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] == output.shape[3] > 1:
            last_of_side[output.shape[2]] = (module, output.shape[1])

    hooks = [module.register_forward_hook(record) for module in _blocks(model)]
    model(trial)
    for hook in hooks:
        hook.remove()
    return [last_of_side[side] for side in sorted(last_of_side, reverse=True)]


def _blocks(model: nn.Module) -> Iterator[nn.Module]:
    """The children of a model, and the children of those that are nn.Sequential."""
    for part in model.children():
        yield part
        yield from part.children() if isinstance(part, nn.Sequential) else ()


def load_backbone(
    name: str | None, weights_file: Path | None = None, *, fetch_timeout_s: float = FETCH_TIMEOUT_S
) -> Backbone:
    """The backbone of that name, with the weights that `find_weights` returns; its errors pass through."""
    return Backbone(find_weights(name, weights_file, fetch_timeout_s=fetch_timeout_s))


def headless(weights: BackboneWeights) -> tuple[nn.Module, int]:
    """The classifier without its last linear layer, and the number of inputs that this layer had."""
    last = last_linear_of(weights.name)
    head = weights.state.get(f"{last}.weight")
    model = build_classifier(weights.name, 1000 if head is None else len(head))
    _load(model, weights)
    dimension = model.get_submodule(last).in_features
    model.set_submodule(last, nn.Identity())
    return model, int(dimension)  # type: ignore[arg-type]


def _classes(weights: BackboneWeights) -> ClassificationLayer | None:
    last, names = last_linear_of(weights.name), class_names(weights.name)
    weight = weights.state.get(f"{last}.weight")
    if weight is None or len(weight) != len(names):
        return None
    bias = weights.state.get(f"{last}.bias", torch.zeros(len(names)))
    return ClassificationLayer(names, weight.float().numpy(), bias.float().numpy())


def as_inputs(pictures: list[Image.Image], size: int) -> Tensor:
    """Images resized to squares and normalised by ImageNet's statistics.   -> (n, 3, size, size) float32"""
    pixels = np.stack([square_pixels(picture, size) for picture in pictures])  # (n, size, size, 3) uint8
    return torch.from_numpy((pixels / np.float32(255) - MEAN) / DEVIATION).permute(0, 3, 1, 2)


def fastest_dtype() -> torch.dtype:
    """bfloat16 where the CPU multiplies it natively (about twice as fast), else float32."""
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else torch.float32


def _load(model: nn.Module, weights: BackboneWeights) -> None:
    expected, actual = set(model.state_dict()), set(weights.state)
    try:
        model.load_state_dict(weights.state)
    except RuntimeError:
        mismatched = ", ".join(sorted(expected ^ actual)[:3]) or "shapes differ"
        raise WeightsError(
            f"{weights.source} holds {len(actual)} tensors that do not fit {weights.name} ({mismatched}); "
            f"accepted: the {len(expected)} of {weights.name}"
        ) from None
