"""A frozen torchvision classifier that turns photos into features."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ml.arrays import Matrix
from ml.concepts import Classes
from ml.photos import Photo, open_photos, square_pixels
from ml.weights import FETCH_TIMEOUT_S, BadBackbone, Weights, WeightsError, class_names, find_weights, models

MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)  # of ImageNet, by channel, in [0, 1]
DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)
BATCH_SIZE = 32
RECIPE = "stages-1"  # changes whenever the features of a photo would come out otherwise
STAGE_COUNT = 2
STAGES_SEEN_AT = 224  # pixels: large enough for every classifier of torchvision to end with maps


class Backbone:
    """Features of photos by one classifier with one set of weights. `version` names both.

    Beside the penultimate layer stand the means of the maps that the two stages before it end with: they
    tell surfaces, colours and backgrounds, which the last layer has learnt to overlook. With them the other
    photo of a listing is found first for .48 of the photos of real adverts, without for .43.
    """

    def __init__(self, weights: Weights):
        """Raises BadBackbone when the classifier has no linear end, WeightsError when weights do not fit."""
        model, penultimate = headless(weights)
        self.classes = _classes(weights)  # those that it was trained to tell; None when they have no names
        self.name, self.digest, self.source = weights.name, weights.digest, weights.source
        self.input_size = weights.input_size
        self.version = f"{weights.name}-{weights.digest[:12]}-{RECIPE}"
        self._dtype = fastest_dtype()
        self._model = model.eval().to(self._dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._stages = _Stages(
            self._model, torch.zeros(1, 3, STAGES_SEEN_AT, STAGES_SEEN_AT, dtype=self._dtype)
        )
        self.parts = (penultimate, *self._stages.widths)  # what the features are made of, in this order
        self.dimension = sum(self.parts)

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
        last = self._model(inputs.to(dtype=self._dtype, memory_format=torch.channels_last))
        return torch.cat([last.float(), *self._stages.taken()], dim=1).numpy()


class _Stages:
    """Means over the maps that a model's earlier stages end with, taken as it runs.

    A stage ends where the maps become smaller. Models without maps have none.
    """

    def __init__(self, model: nn.Module, trial: Tensor):
        self._means: dict[int, Tensor] = {}
        ends = _ends_of_stages(model, trial)[-1 - STAGE_COUNT : -1]
        for number, (module, _) in enumerate(ends):
            module.register_forward_hook(functools.partial(self._note, number))
        self.widths = tuple(width for _, width in ends)

    def taken(self) -> list[Tensor]:
        """Of the batch that ran last: a (n, width) float32 for each stage."""
        return [self._means[number] for number in range(len(self.widths))]

    def _note(self, number: int, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._means[number] = output.float().mean(dim=(2, 3))


@torch.inference_mode()
def _ends_of_stages(model: nn.Module, trial: Tensor) -> list[tuple[nn.Module, int]]:
    """The last block of each stage and how many maps it gives, in the order in which they run."""
    seen: dict[int, tuple[nn.Module, int]] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] == output.shape[3] > 1:
            seen[output.shape[2]] = (module, output.shape[1])

    hooks = [module.register_forward_hook(note) for module in _blocks(model)]
    model(trial)
    for hook in hooks:
        hook.remove()
    return [seen[side] for side in sorted(seen, reverse=True)]


def _blocks(model: nn.Module) -> Iterator[nn.Module]:
    """A model's parts, and the parts of those that are sequences."""
    for part in model.children():
        yield part
        yield from part.children() if isinstance(part, nn.Sequential) else ()


def load_backbone(
    name: str | None, weights_file: Path | None = None, *, fetch_timeout_s: float = FETCH_TIMEOUT_S
) -> Backbone:
    """The backbone by that name, with the weights that `find_weights` finds; its errors pass through."""
    return Backbone(find_weights(name, weights_file, fetch_timeout_s=fetch_timeout_s))


def headless(weights: Weights) -> tuple[nn.Module, int]:
    """The classifier with its last linear layer taken off, and the length of what that layer was fed."""
    last = _end_of(weights.name)
    head = weights.state.get(f"{last}.weight")
    model = build_classifier(weights.name, 1000 if head is None else len(head))
    _load(model, weights)
    dimension = model.get_submodule(last).in_features
    model.set_submodule(last, nn.Identity())
    return model, int(dimension)  # type: ignore[arg-type]


def _classes(weights: Weights) -> Classes | None:
    last, names = _end_of(weights.name), class_names(weights.name)
    weight = weights.state.get(f"{last}.weight")
    if weight is None or len(weight) != len(names):
        return None
    bias = weights.state.get(f"{last}.bias", torch.zeros(len(names)))
    return Classes(names, weight.float().numpy(), bias.float().numpy())


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


@functools.cache
def _end_of(name: str) -> str:
    """What `last_linear` says of the classifier by that name."""
    with torch.device("meta"):  # the shape of the house, without the furniture
        return last_linear(build_classifier(name, 1000), name)


def as_inputs(pictures: list[Image.Image], size: int) -> Tensor:
    """RGB pictures as squares, less ImageNet's mean, by its deviation.   -> (n, 3, size, size) float32"""
    pixels = np.stack([square_pixels(picture, size) for picture in pictures])  # (n, size, size, 3) uint8
    return torch.from_numpy((pixels / np.float32(255) - MEAN) / DEVIATION).permute(0, 3, 1, 2)


def fastest_dtype() -> torch.dtype:
    """bfloat16 where the CPU multiplies it natively, which is then about twice as fast; else float32."""
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else torch.float32


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
