"""Fine-tuning of a pretrained backbone on the categories of a catalogue's photos.

The result is a weights file that `ml.vision.weights` reads. Name, input size and categories are recorded in
it.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ml.progress import Progress
from ml.vision.classifier_training import (
    FineTuningEpoch,
    FineTuningOptions,
    FineTuningRun,
    TrainingPhotos,
)
from ml.vision.classifiers import build_classifier, last_linear
from ml.vision.image_cache import fingerprint
from ml.vision.image_decoding import Photo
from ml.vision.labels import PhotoLabels, make_photo_labels
from ml.vision.small_backbone import TooFewCategoriesError
from ml.vision.weights import BackboneWeights, WeightsError, find_weights

NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


@dataclass(frozen=True)
class FineTuningReport:
    """Result of a fine-tuning run. The file at `path` holds the weights of the best epoch."""

    path: Path
    categories: tuple[str, ...]
    photo_count: int
    epochs: tuple[FineTuningEpoch, ...]
    resumed_after: int  # epochs taken over from an interrupted run

    @property
    def best(self) -> FineTuningEpoch:
        return max(self.epochs, key=lambda epoch: epoch.accuracy)  # the first one of a tie


def finetune(
    backbone_name: str | None,
    weights_file: Path | None,
    photos: Sequence[Photo],
    labels: Sequence[str],
    *,
    finer: Sequence[str] | None = None,
    validation: np.ndarray,
    options: FineTuningOptions,
    path: Path,
    checkpoint: Path,
    progress: Progress | None = None,
    report: Callable[[FineTuningEpoch], None] = lambda epoch: None,
    say: Callable[[str], None] = lambda line: None,
    device: torch.device | str | None = None,
) -> FineTuningReport:
    """Fine-tune a backbone on labelled photos, and write the best epoch to `path` atomically.

    weights_file: None means the pretrained weights of that backbone, as `find_weights` finds them.
    finer: more exact labels, such as whole category paths; trained as a second task, they improve accuracy on
    the categories too. validation (n,) bool: held-out photos, which select the epoch. An interrupted run
    resumes after the last epoch in `checkpoint`, with the same result as an uninterrupted one; the file is
    removed at the end. report is called with each epoch, say with messages for the operator.
    Raises TooFewCategoriesError, UnreadablePhoto, WeightsError, WeightsUnavailable, BadBackbone,
    DivergedError.
    """
    _require_trainable(labels, validation, len(photos))
    targets = make_photo_labels(labels, finer)
    weights = find_weights(backbone_name, weights_file)
    run = _run_digest(weights, photos, [labels, finer], validation, options)
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        model, head = prepare(weights, targets.class_count, options)
        training = FineTuningRun(model, head, options, torch.device(device or best_device()))
        training.resume(checkpoint, run, say)
        with closing(TrainingPhotos(photos, targets, validation, options)) as lesson:
            for epoch in training.epochs(lesson, progress):
                training.keep(checkpoint, run)
                report(epoch)
    save(training.best_state, path, weights.name, options.image_size, targets)
    checkpoint.unlink(missing_ok=True)
    photo_count = len(photos) - int(validation.sum())
    return FineTuningReport(
        path, targets.categories, photo_count, tuple(training.history), training.resumed_after
    )


def prepare(
    weights: BackboneWeights, class_count: int, options: FineTuningOptions
) -> tuple[nn.Module, nn.Module]:
    """The pretrained classifier, and its new last layer. All blocks but the last unfrozen ones are frozen.

    Raises WeightsError when the weights do not fit.
    """
    model = build_classifier(weights.name, class_count)
    last = last_linear(model, weights.name)
    kept = {key: tensor for key, tensor in weights.state.items() if not key.startswith(f"{last}.")}
    _load(model, kept, last, weights)
    head = model.get_submodule(last)
    if options.unfrozen_blocks is not None:
        model.requires_grad_(False)
        inner = [block for block in blocks(model) if head not in block]
        for part in chain(*inner[max(0, len(inner) - options.unfrozen_blocks) :]):
            part.requires_grad_(True)
    head.requires_grad_(True)
    return model, head


def blocks(model: nn.Module) -> list[list[nn.Module]]:
    """The parts of a torchvision classifier that have weights, first to last: layers, or residual blocks.

    A norm belongs to the block of the layer before it.
    """
    parts: list[list[nn.Module]] = []
    for child in model.children():
        for part in child.children() if isinstance(child, nn.Sequential) else [child]:
            if parts and isinstance(part, NORMS):
                parts[-1].append(part)
            elif any(True for _ in part.parameters()):
                parts.append([part])
    return parts


def best_device() -> str:
    """The fastest available torch device: cuda, mps or cpu."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def save(state: dict[str, Tensor], path: Path, name: str, input_size: int, targets: PhotoLabels) -> None:
    """Write weights as `ml.vision.weights` reads them, with the categories of the classifier's outputs."""
    metadata = {
        "backbone": name,
        "input_size": str(input_size),
        "categories": json.dumps(targets.categories),
        "category_of": json.dumps(targets.category_of.tolist()),  # of each output
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, temporary, metadata=metadata)
    temporary.replace(path)


def _load(model: nn.Module, state: dict[str, Tensor], last: str, weights: BackboneWeights) -> None:
    expected = {key for key in model.state_dict() if not key.startswith(f"{last}.")}
    try:
        model.load_state_dict(state, strict=False)
    except RuntimeError:
        raise WeightsError(f"{weights.source} does not fit {weights.name}: shapes differ") from None
    if mismatched := sorted(expected ^ set(state)):
        raise WeightsError(f"{weights.source} does not fit {weights.name} ({', '.join(mismatched[:3])})")


def _require_trainable(labels: Sequence[str], validation: np.ndarray, photo_count: int) -> None:
    """Raises TooFewCategoriesError unless two categories are trained on and some photos are held out."""
    assert validation.dtype == np.bool_ and len(labels) == len(validation) == photo_count
    trained = {label for label, is_held_out in zip(labels, validation, strict=True) if not is_held_out}
    if len(trained) < 2 or not validation.any():
        raise TooFewCategoriesError(
            "expected training photos of two categories or more, and some held-out photos; found "
            f"{photo_count} photos, {int(validation.sum())} of them held out, "
            f"and {len(trained)} categories among the training photos"
        )


def _run_digest(
    weights: BackboneWeights,
    photos: Sequence[Photo],
    labels: list[Sequence[str] | None],
    validation: np.ndarray,
    options: FineTuningOptions,
) -> str:
    """A digest of everything that the result of a run depends on."""
    parts = [
        weights.name,
        weights.digest,
        fingerprint(photos),
        list(labels),
        validation.tolist(),
        asdict(options),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
