"""Training of a small backbone from scratch on labelled photos, for machines without pretrained weights.

The result is a weights file that `ml.vision.weights` reads. Name and input size are recorded in it.
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

from ml.progress import Progress
from ml.vision.classifiers import DEVIATION, MEAN, build_classifier
from ml.vision.image_decoding import Photo, open_photo, square_pixels

NAME, INPUT_SIZE = "shufflenet_v2_x0_5", 96  # 2.7 s for an epoch of 1,500 photos on two cores
BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY, EPOCH_COUNT = 64, 4e-3, 0.02, 20
MOST_PHOTOS = 4_000  # 110 MB of pixels, and as many as a minute of training can use
SHIFT = 6  # greatest random shift of a training photo in any direction, in pixels


class TooFewCategoriesError(ValueError):
    """There are too few categories to train a classifier: photos of one category, or none."""


@dataclass(frozen=True)
class TrainingReport:
    """Result of a training run."""

    path: Path
    photo_count: int
    category_count: int
    epoch_count: int
    accuracy: float  # on the training photos, in the last epoch


@dataclass(frozen=True)
class _TrainingData:
    """Decoded training photos with their categories."""

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
    """Train a classifier of the photos' categories and write its weights to `path` atomically.

    Training ends after epoch_count epochs or after `seconds` on the clock, whichever comes first; the
    learning rate decays to 0 by then. Raises TooFewCategoriesError, UnreadablePhoto.
    """
    budget = _Budget(clock, seconds, epoch_count, progress)
    data = _prepare(photos, categories, seed)
    model = _untrained(data.category_count, seed)
    accuracy = _train(model, data, budget, torch.Generator().manual_seed(seed))
    _save(model, path)
    return TrainingReport(path, len(data.targets), data.category_count, budget.epochs_done, accuracy)


class _Budget:
    """Share of the training that is done, by epochs or by time, whichever is greater."""

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


def _prepare(photos: Sequence[Photo], categories: Sequence[str], seed: int) -> _TrainingData:
    names = sorted(set(categories))
    if len(names) < 2 or len(photos) != len(categories):
        raise TooFewCategoriesError(
            f"expected a category for each photo and at least two in all; found {len(photos)} photos, "
            f"{len(categories)} categories, {len(names)} of them different"
        )
    chosen = np.random.default_rng(seed).permutation(len(photos))[:MOST_PHOTOS]
    pixels = [square_pixels(open_photo(photos[i], INPUT_SIZE), INPUT_SIZE) for i in chosen]
    targets = [names.index(categories[i]) for i in chosen]
    return _TrainingData(
        torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2), torch.tensor(targets), len(names)
    )


def _untrained(category_count: int, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):  # torchvision draws initial weights from the global generator
        torch.manual_seed(seed)
        return build_classifier(NAME, category_count)


def _train(model: nn.Module, data: _TrainingData, budget: _Budget, generator: torch.Generator) -> float:
    """Train until the budget is used up; returns the training accuracy of the last epoch."""
    optimiser = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    accuracy = 0.0
    model.train()
    while budget.share() < 1:
        accuracy = _train_epoch(model, data, budget, optimiser, generator)
        budget.epochs_done += 1
        budget.report()
    return accuracy


def _train_epoch(
    model: nn.Module,
    data: _TrainingData,
    budget: _Budget,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
) -> float:
    correct_count, seen_count = 0, 0
    for rows in _batches(len(data.targets), generator):
        share = budget.share(of_epoch=seen_count / len(data.targets))
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * (1 + math.cos(math.pi * share)) / 2
        correct_count += _step(model, _augmented(data.pixels[rows], generator), data.targets[rows], optimiser)
        seen_count += len(rows)
        if share >= 1:
            break
    return correct_count / seen_count


def _step(model: nn.Module, inputs: Tensor, targets: Tensor, optimiser: torch.optim.Optimizer) -> int:
    """One optimiser step; returns the number of correct predictions in the batch before it."""
    optimiser.zero_grad()
    logits = model(inputs)
    functional.cross_entropy(logits, targets).backward()
    optimiser.step()
    return int((logits.argmax(dim=1) == targets).sum())


def _batches(count: int, generator: torch.Generator) -> Iterator[Tensor]:
    yield from torch.randperm(count, generator=generator).split(BATCH_SIZE)


def _augmented(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """A batch randomly shifted and mirrored, with its colours unchanged.   -> (n, 3, s, s) float32"""
    size = pixels.shape[-1]
    across, down, mirrored = torch.randint(0, 2 * SHIFT + 1, (3,), generator=generator).tolist()
    padded = functional.pad(_normalised(pixels), [SHIFT] * 4, mode="replicate")
    shifted = padded[..., down : down + size, across : across + size]
    return shifted.flip(-1) if mirrored % 2 else shifted


def _normalised(pixels: Tensor) -> Tensor:
    mean, deviation = (torch.from_numpy(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    return ((pixels.float() / 255 - mean) / deviation).contiguous(memory_format=torch.channels_last)


def _save(model: nn.Module, path: Path) -> None:
    state = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    save_file(state, temporary, metadata={"backbone": NAME, "input_size": str(INPUT_SIZE)})
    temporary.replace(path)
