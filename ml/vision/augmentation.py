"""Random augmentation of training photos: crop, horizontal flip and colour jitter."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ml.vision.classifiers import DEVIATION, MEAN

LEAST_AREA, GREATEST_ASPECT = 0.35, 4 / 3  # of a crop: share of the photo's area, width to height
JITTER = 0.3  # brightness, contrast and saturation times 0.7 to 1.3; hue stays, since it separates categories
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True)
class Augmentation:
    """Which augmentations are applied."""

    crops: bool = True
    flips: bool = True
    colours: bool = True


def augment(pixels: Tensor, size: int, options: Augmentation, generator: torch.Generator) -> Tensor:
    """Augmented and normalised photos: pixels (n, 3, s, s) uint8 -> (n, 3, size, size) float32.

    Random numbers come from the generator on the CPU, so that every device sees the same views.
    """
    count = len(pixels)
    boxes = (
        _boxes(count, generator) if options.crops else torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(count, 4)
    )
    mirrored = torch.rand(count, generator=generator) < 0.5 if options.flips else torch.zeros(count).bool()
    colour_factors = (
        1 + JITTER * (2 * torch.rand(3, count, generator=generator) - 1) if options.colours else None
    )
    views = _cut(pixels, size, boxes, mirrored)
    if colour_factors is not None:
        views = _recoloured(views, *colour_factors.to(views.device))
    return _normalised(views)


def normalise_photos(pixels: Tensor) -> Tensor:
    """Photos without augmentation, normalised: (n, 3, s, s) uint8 -> (n, 3, s, s) float32."""
    return _normalised(pixels.float() / 255)


def _boxes(count: int, generator: torch.Generator) -> Tensor:
    """Random crops as centre (x, y) in [-1, 1] and share (width, height) in (0, 1].   -> (n, 4) float32"""
    uniform = torch.rand(4, count, generator=generator)
    area = LEAST_AREA + (1 - LEAST_AREA) * uniform[0]
    aspect = torch.exp(math.log(GREATEST_ASPECT) * (2 * uniform[1] - 1))
    shares = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()]).clamp(max=1)  # (2, n)
    centres = (1 - shares) * (2 * uniform[2:] - 1)
    return torch.cat([centres, shares]).T


def _cut(pixels: Tensor, size: int, boxes: Tensor, mirrored: Tensor) -> Tensor:
    """Boxes of photos resampled to squares, mirrored where (n,) bool.   -> (n, 3, size, size) in [0, 1]"""
    x, y, width, height = boxes.T
    zeros = torch.zeros_like(x)
    across = torch.stack([torch.where(mirrored, -width, width), zeros, x], dim=1)
    down = torch.stack([zeros, height, y], dim=1)
    transforms = torch.stack([across, down], dim=1).to(pixels.device)  # (n, 2, 3), affine
    grid = functional.affine_grid(transforms, [len(pixels), 3, size, size], align_corners=False)
    return functional.grid_sample(pixels.float() / 255, grid, padding_mode="border", align_corners=False)


def _recoloured(views: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Views with changed brightness, contrast and saturation: factors (n,) each."""
    luma = torch.tensor(LUMA, device=views.device).view(1, 3, 1, 1)
    views = views * _by_view(brightness)
    views = torch.lerp(
        (views * luma).sum(1, keepdim=True).mean((2, 3), keepdim=True), views, _by_view(contrast)
    )
    return torch.lerp((views * luma).sum(1, keepdim=True), views, _by_view(saturation)).clamp(0, 1)


def _by_view(factors: Tensor) -> Tensor:
    return factors.view(-1, 1, 1, 1)


def _normalised(views: Tensor) -> Tensor:
    mean, deviation = (
        torch.from_numpy(values).view(1, 3, 1, 1).to(views.device) for values in (MEAN, DEVIATION)
    )
    return ((views - mean) / deviation).contiguous(memory_format=torch.channels_last)
