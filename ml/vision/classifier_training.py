"""Training of a photo classifier epoch by epoch: options, data, optimiser, checkpoints and early stopping."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ml.progress import Progress
from ml.vision.augmentation import Augmentation, augment, normalise_photos
from ml.vision.backbone import fastest_dtype
from ml.vision.checkpoints import BadCheckpoint, read_checkpoint, write_checkpoint
from ml.vision.image_cache import ImageCache
from ml.vision.image_decoding import Photo
from ml.vision.labels import PhotoLabels

Tensors = tuple[Tensor, ...] | list[Tensor]
OPTIMISERS = ("adamw", "sgd")
CROP_MARGIN = 8 / 7  # side of a cached photo to that of a crop
LARGEST_GRADIENT = 5.0  # norm; limits the step that a batch of unusual photos causes


class BadOptionsError(ValueError):
    """An option is out of its range; the message names it."""


class DivergedError(ArithmeticError):
    """The loss is no longer finite. The checkpoint of the previous epoch is kept."""


@dataclass(frozen=True)
class FineTuningOptions:
    """Options of fine-tuning. Two runs with the same options and photos give the same weights."""

    optimiser: str = "adamw"
    learning_rate: float = 1e-4  # peak rate of the backbone; with folded batch norms 5e-4 is too much
    head_factor: float = 10.0  # learning rate of the new last layer, in units of the backbone's
    weight_decay: float = 0.05
    momentum: float = 0.9  # of sgd
    epoch_count: int = 5
    batch_size: int = 32
    image_size: int = 224
    warm_up: float = 0.1  # share of all steps
    label_smoothing: float = 0.1
    averaging: float = 0.99  # decay per step of the moving average of weights; 0: no averaging
    unfrozen_blocks: int | None = None  # number of last blocks that are trained; None: all
    augmentation: Augmentation = field(default_factory=Augmentation)
    patience: int = 3  # epochs without improvement after which training ends
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises BadOptionsError."""
        ranges = {
            "optimiser": self.optimiser in OPTIMISERS,
            "learning_rate": 0 < self.learning_rate < math.inf,
            "epoch_count": self.epoch_count >= 1,
            "batch_size": self.batch_size >= 1,
            "image_size": self.image_size >= 32,
            "warm_up": 0 <= self.warm_up < 1,
            "label_smoothing": 0 <= self.label_smoothing < 1,
            "averaging": 0 <= self.averaging < 1,
            "unfrozen_blocks": self.unfrozen_blocks is None or self.unfrozen_blocks >= 0,
            "patience": self.patience >= 1,
        }
        for name, is_good in ranges.items():
            if not is_good:
                raise BadOptionsError(f"{name} cannot be {getattr(self, name)!r}")


@dataclass(frozen=True)
class FineTuningEpoch:
    """Results of one epoch."""

    number: int  # from 1
    loss: float  # mean over the augmented training photos
    accuracy: float  # on the held-out photos
    learning_rate: float  # of the backbone, at the end of the epoch


class TrainingPhotos:
    """Training photos with a margin for crops, held-out photos at input size, and their labels."""

    def __init__(
        self,
        photos: Sequence[Photo],
        targets: PhotoLabels,
        validation: np.ndarray,
        options: FineTuningOptions,
    ) -> None:
        training, held_out = np.flatnonzero(~validation), np.flatnonzero(validation)
        size = options.image_size
        margin = CROP_MARGIN if options.augmentation.crops else 1
        self.targets = targets
        self.classes = targets.classes[training]
        self.categories_held_out = targets.category_of[targets.classes[held_out]]
        self.pictures = ImageCache(photos, training.tolist(), round(size * margin))
        self.held_out = ImageCache(photos, held_out.tolist(), size)

    def close(self) -> None:
        self.pictures.close()
        self.held_out.close()


class FineTuningRun:
    """One training run: the model, its optimiser and its history."""

    def __init__(
        self, model: nn.Module, head: nn.Module, options: FineTuningOptions, device: torch.device
    ) -> None:
        self.options, self.device = options, device
        self.model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = _averaged(self.model, options.averaging)
        self.optimiser = _optimiser(self.model, head, options)
        self.history: list[FineTuningEpoch] = []
        self.best_state: dict[str, Tensor] = {}
        self.resumed_after = 0

    @property
    def judged(self) -> nn.Module:
        """The model that is evaluated and saved: the averaged one if weights are averaged."""
        return self.averaged.module if self.averaged else self.model

    def epochs(self, lesson: TrainingPhotos, progress: Progress | None) -> Iterator[FineTuningEpoch]:
        """Train epoch by epoch, up to the last, or until `patience` epochs brought no improvement."""
        while len(self.history) < self.options.epoch_count and not self._is_out_of_patience():
            epoch = self._train_epoch(lesson, progress)
            if not self.history or epoch.accuracy > max(past.accuracy for past in self.history):
                self.best_state = _on_cpu(self.judged)
            self.history.append(epoch)
            yield epoch

    def keep(self, checkpoint: Path, run: str) -> None:
        state = {
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged else {},
            "optimiser": self.optimiser.state_dict(),
            "history": [asdict(epoch) for epoch in self.history],
            "best": self.best_state,
        }
        write_checkpoint(checkpoint, run, state)

    def resume(self, checkpoint: Path, run: str, say: Callable[[str], None]) -> None:
        try:
            state = read_checkpoint(checkpoint, run)
        except BadCheckpoint as error:
            say(f"Training starts from the beginning: {error}.")
            return
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        if self.averaged:
            self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.history = [FineTuningEpoch(**epoch) for epoch in state["history"]]
        self.best_state, self.resumed_after = state["best"], len(self.history)
        say(f"Training resumes after epoch {self.resumed_after}.")

    def _is_out_of_patience(self) -> bool:
        accuracies = [epoch.accuracy for epoch in self.history]
        return bool(accuracies) and len(accuracies) - 1 - int(np.argmax(accuracies)) >= self.options.patience

    def _train_epoch(self, lesson: TrainingPhotos, progress: Progress | None) -> FineTuningEpoch:
        number, count, size = len(self.history) + 1, len(lesson.pictures), self.options.batch_size
        generator = torch.Generator().manual_seed(_seed(self.options.seed, number))
        torch.manual_seed(_seed(self.options.seed, number))  # dropout uses the global generator
        _set_training_mode(self.model)
        step_count, losses = math.ceil(count / size), []
        order = torch.randperm(count, generator=generator)
        for step, (rows, pixels) in enumerate(lesson.pictures.batches(order, size)):
            steps_done = (number - 1) * step_count + step
            self._set_rates((steps_done + 0.5) / (self.options.epoch_count * step_count))
            losses.append(self._step(pixels, lesson, rows, generator) * len(rows))
            if progress:
                progress(steps_done + 1, self.options.epoch_count * step_count)
        accuracy = self._accuracy(lesson)
        return FineTuningEpoch(number, sum(losses) / count, accuracy, self.optimiser.param_groups[0]["lr"])

    def _set_rates(self, share: float) -> None:
        factor = schedule(share, self.options.warm_up)
        for group in self.optimiser.param_groups:
            group["lr"] = group["highest"] * factor

    def _step(
        self, pixels: Tensor, lesson: TrainingPhotos, rows: Tensor, generator: torch.Generator
    ) -> float:
        """One optimiser step; returns the batch's mean loss before it."""
        inputs = augment(
            pixels.to(self.device), self.options.image_size, self.options.augmentation, generator
        )
        self.optimiser.zero_grad()
        with _autocast(self.device):
            logits = self.model(inputs)
        classes = lesson.classes[rows].to(self.device)
        loss = lesson.targets.loss(logits, classes, self.options.label_smoothing)
        if not loss.isfinite():
            epoch = len(self.history) + 1
            raise DivergedError(f"The loss is {loss.item()} in epoch {epoch}. Try a lower learning rate.")
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        if self.averaged:
            self.averaged.update_parameters(self.model)
        return loss.item()

    @torch.inference_mode()
    def _accuracy(self, lesson: TrainingPhotos) -> float:
        self.judged.eval()
        correct_count, rows = 0, torch.arange(len(lesson.held_out))
        for part, pixels in lesson.held_out.batches(rows, self.options.batch_size):
            with _autocast(self.device):
                logits = self.judged(normalise_photos(pixels.to(self.device)))
            predicted = lesson.targets.category_logs(logits).argmax(dim=1).cpu()
            correct_count += int((predicted == lesson.categories_held_out[part]).sum())
        return correct_count / len(rows)


def schedule(share: float, warm_up: float) -> float:
    """Factor of the peak learning rate at this share of all steps: linear warm-up, then cosine decay."""
    if share < warm_up:
        return share / warm_up
    return (1 + math.cos(math.pi * (share - warm_up) / (1 - warm_up))) / 2


def _set_training_mode(model: nn.Module) -> None:
    """Training mode except for batch norms, whose pretrained statistics small batches would spoil."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def _averaged(model: nn.Module, decay: float) -> AveragedModel | None:
    """A moving average of the weights. It decays faster in the first steps, for short runs."""

    def move(means: Tensors, weights: Tensors, step_count: Tensor | int) -> None:
        steps = float(step_count)
        new_share = 1 - min(decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(means, weights, new_share)

    return AveragedModel(model, multi_avg_fn=torch.no_grad()(move)) if decay else None


def _optimiser(model: nn.Module, head: nn.Module, options: FineTuningOptions) -> torch.optim.Optimizer:
    """Four parameter groups: biases and norms without weight decay, the head at a higher learning rate.

    `highest` of each group is its peak learning rate.
    """
    head_parameters = {id(parameter) for parameter in head.parameters()}
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = []
    for is_new in (False, True):
        for is_matrix in (False, True):
            chosen = [p for p in trainable if (id(p) in head_parameters, p.ndim > 1) == (is_new, is_matrix)]
            rate = options.learning_rate * (options.head_factor if is_new else 1)
            decay = options.weight_decay if is_matrix else 0.0
            groups.append({"params": chosen, "lr": rate, "highest": rate, "weight_decay": decay})
    if options.optimiser == "sgd":
        return torch.optim.SGD(groups, momentum=options.momentum, nesterov=options.momentum > 0)
    return torch.optim.AdamW(groups)


def _autocast(device: torch.device) -> torch.autocast:
    if device.type == "cuda":
        is_faster = torch.cuda.is_bf16_supported()
    else:
        is_faster = device.type == "cpu" and fastest_dtype() == torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=is_faster)


def _seed(seed: int, epoch: int) -> int:
    """A seed for each epoch, so that a resumed run draws the same random numbers."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])


def _on_cpu(model: nn.Module) -> dict[str, Tensor]:
    return {key: tensor.detach().cpu().clone() for key, tensor in model.state_dict().items()}
