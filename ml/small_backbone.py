"""A small backbone trained from nothing on labelled photos: for a machine without network and weights.

The file it writes is one that `ml.weights` reads; name and input size are recorded in it.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from ml.backbone import DEVIATION, MEAN, build_classifier
from ml.photos import Photo, open_photo, square_pixels
from ml.progress import Progress

NAME, INPUT_SIZE = "shufflenet_v2_x0_5", 96  # 2.7 s for an epoch of 1,500 photos on two cores
BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY, EPOCH_COUNT = 64, 4e-3, 0.02, 20
MOST_PHOTOS = 4_000  # 110 MB of pixels, and as many as a minute can make use of
SHIFT = 6  # pixels that a photo may move in any direction while training


class TooFewCategoriesError(ValueError):
    """There is nothing to tell apart: photos of one category, or none."""


@dataclass(frozen=True)
class TrainingReport:
    """What a training came to."""

    path: Path
    photo_count: int
    category_count: int
    epoch_count: int
    accuracy: float  # on the training photos, in the last epoch


@dataclass(frozen=True)
class _Lesson:
    pixels: Tensor  # (n, 3, size, size) uint8
    targets: Tensor  # (n,) int64
    category_count: int


def train_small_backbone(
    photos: Sequence[Photo],
    categories: Sequence[str],
    path: Path,
    *,
    seconds: float,
    seed: int,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
    epoch_count: int = EPOCH_COUNT,
) -> TrainingReport:
    """Train a classifier of the photos' categories and write its weights to `path`, whole or not at all.

    Ends after epoch_count rounds, or sooner when `seconds` have passed on the clock; the learning rate falls
    to nothing by whichever comes first. Raises TooFewCategoriesError, UnreadablePhoto.
    """
    budget = _Budget(clock, seconds, epoch_count, progress)
    lesson = _prepare(photos, categories, seed)
    model = _untrained(lesson.category_count, seed)
    accuracy = _train(model, lesson, budget, torch.Generator().manual_seed(seed))
    _save(model, path)
    return TrainingReport(path, len(lesson.targets), lesson.category_count, budget.epochs_done, accuracy)


class _Budget:
    """How far the training is, by rounds or by time."""

    def __init__(
        self, clock: Callable[[], float], seconds: float, epoch_count: int, progress: Progress | None
    ) -> None:
        self._clock, self._seconds, self._epoch_count = clock, seconds, epoch_count
        self._started_at, self._progress = clock(), progress
        self.epochs_done = 0

    def share(self, of_epoch: float = 0.0) -> float:
        by_epochs = (self.epochs_done + of_epoch) / self._epoch_count
        by_time = (self._clock() - self._started_at) / self._seconds
        return min(1.0, max(by_epochs, by_time))

    def report(self) -> None:
        if self._progress:
            self._progress(round(100 * self.share()), 100)


def _prepare(photos: Sequence[Photo], categories: Sequence[str], seed: int) -> _Lesson:
    names = sorted(set(categories))
    if len(names) < 2 or len(photos) != len(categories):
        raise TooFewCategoriesError(
            f"expected a category for each photo and at least two in all; found {len(photos)} photos, "
            f"{len(categories)} categories, {len(names)} of them different"
        )
    chosen = np.random.default_rng(seed).permutation(len(photos))[:MOST_PHOTOS]
    pixels = [square_pixels(open_photo(photos[i], INPUT_SIZE), INPUT_SIZE) for i in chosen]
    targets = [names.index(categories[i]) for i in chosen]
    return _Lesson(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2), torch.tensor(targets), len(names))


def _untrained(category_count: int, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):  # torchvision draws first weights from the global generator
        torch.manual_seed(seed)
        return build_classifier(NAME, category_count)


def _train(model: nn.Module, lesson: _Lesson, budget: _Budget, generator: torch.Generator) -> float:
    """Accuracy in the last epoch."""
    optimiser = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    accuracy = 0.0
    model.train()
    while budget.share() < 1:
        accuracy = _train_epoch(model, lesson, budget, optimiser, generator)
        budget.epochs_done += 1
        budget.report()
    return accuracy


def _train_epoch(
    model: nn.Module,
    lesson: _Lesson,
    budget: _Budget,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
) -> float:
    right, seen = 0, 0
    for rows in _batches(len(lesson.targets), generator):
        share = budget.share(of_epoch=seen / len(lesson.targets))
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * (1 + math.cos(math.pi * share)) / 2
        right += _step(model, _moved(lesson.pixels[rows], generator), lesson.targets[rows], optimiser)
        seen += len(rows)
        if share >= 1:
            break
    return right / seen


def _step(model: nn.Module, inputs: Tensor, targets: Tensor, optimiser: torch.optim.Optimizer) -> int:
    """One step downhill; how many of the batch were right before it."""
    optimiser.zero_grad()
    logits = model(inputs)
    functional.cross_entropy(logits, targets).backward()
    optimiser.step()
    return int((logits.argmax(dim=1) == targets).sum())


def _batches(count: int, generator: torch.Generator) -> Iterator[Tensor]:
    yield from torch.randperm(count, generator=generator).split(BATCH_SIZE)


def _moved(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """A batch shifted and mirrored; colours stay, they tell things apart.   -> (n, 3, s, s) float32"""
    size = pixels.shape[-1]
    across, down, mirrored = torch.randint(0, 2 * SHIFT + 1, (3,), generator=generator).tolist()
    padded = functional.pad(_normalised(pixels), [SHIFT] * 4, mode="replicate")
    moved = padded[..., down : down + size, across : across + size]
    return moved.flip(-1) if mirrored % 2 else moved


def _normalised(pixels: Tensor) -> Tensor:
    mean, deviation = (torch.from_numpy(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    return ((pixels.float() / 255 - mean) / deviation).contiguous(memory_format=torch.channels_last)


def _save(model: nn.Module, path: Path) -> None:
    state = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".part")
    save_file(state, aside, metadata={"backbone": NAME, "input_size": str(INPUT_SIZE)})
    aside.replace(path)
